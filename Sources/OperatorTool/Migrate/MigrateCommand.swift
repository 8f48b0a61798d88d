import Basics
import EventLoop
import PostgresClient

/// `theseus migrate`: numbered SQL files, each run once.
@EventLoopActor enum MigrateCommand {
  static let flags = FlagSet(
    "migrate", "Runs the numbered SQL files of a directory that have not been run yet, each once."
  )
  .option("directory", "D", "directory of the files: 0001_ships.sql, 0002_crew.sql, …")
  .option("url", "URL", default: "postgresql://root@127.0.0.1:26257/defaultdb", "a gateway, or several with commas")
  .flag("plan", "show what would be done, with EXPLAIN (DDL) of every schema change, and change nothing")
  .option("mark-applied", "N", "record file N, as it is now, as applied without running it")
  .option("wait", "SECONDS", default: "600", "how long to wait for another theseus migrate")
  .option("lease", "SECONDS", default: "15", "how long after the last sign of life of this one others take over")
  .with(
    notes: """
      Exit codes: 0 all files are applied (or --plan found nothing that would be refused); 1 a statement was refused or the
      database did not answer; 2 wrong flags; 3 the directory does not agree with what was run, and nothing was run.
      A file that has been applied must stay as it was. One whose statement was refused, or that was interrupted, may change
      from the statement after the last that is done; run again to go on there.
      """)

  static func run(_ flags: FlagValues) async throws(ToolError) -> Int32 {
    let directory = FileSystem.absolute(try flags.string("directory"))
    let url = try PostgresURL(try flags.string("url"))
    let wait = Duration.seconds(try flags.integer("wait", in: 0...86_400))
    let lease = try flags.integer("lease", in: 1...3_600)
    let isPlan = try flags.boolean("plan")
    var marked: Int64?
    if flags.optional("mark-applied") != nil { marked = Int64(try flags.integer("mark-applied", in: 0...Int.max)) }
    if isPlan, marked != nil { throw .usage("--plan and --mark-applied do not go together") }
    let files = try await MigrationFile.all(in: directory)
    if let marked, !files.contains(where: { $0.number == marked }) {
      throw .usage("--mark-applied \(marked): no file in \(directory) has that number")
    }

    let session = MigrationSession(url, idleSeconds: lease)
    defer { session.close() }
    if isPlan { return try await plan(files, session) }
    let beats = MigrationSession(url, idleSeconds: lease)
    defer { beats.close() }
    let store = MigrationStore(session, holder: MigrationLock.newHolder())
    let lock = MigrationLock(beats, holder: store.holder, leaseSeconds: lease)
    do throws(ToolError) {
      try await session.patiently { () async throws(MigrationFailure) in try await store.createTables() }
      let history = try await beats.patiently { () async throws(MigrationFailure) in
        try await lock.acquire(within: wait) { () async throws(MigrationFailure) in
          try await !store.records().isEmpty
        }
      }
      let migrator = Migrator(store, history: history)
      if let marked {
        try await session.patiently { () async throws(MigrationFailure) in
          for file in files where file.number == marked { try await migrator.markApplied(file, files) }
        }
      } else {
        try await applyAll(files, migrator, store)
      }
    } catch {
      await lock.release()
      throw error
    }
    await lock.release()
    return 0
  }

  private static func applyAll(
    _ files: [MigrationFile], _ migrator: Migrator, _ store: MigrationStore
  ) async throws(ToolError) {
    let records = try await store.session.patiently { () async throws(MigrationFailure) in try await store.records() }
    let pending = try MigrationHistory.pending(files, records)
    for file in pending {
      try await store.session.patiently { () async throws(MigrationFailure) in try await migrator.apply(file) }
    }
    Console.line(summary(pending.count, files.count))
  }

  private static func summary(_ applied: Int, _ all: Int) -> String {
    func files(_ count: Int) -> String { count == 1 ? "1 file" : "\(count) files" }
    if applied > 0 { return "\(files(applied)) applied now, \(all) in all" }
    return all == 0 ? "nothing to do: there is no file" : "nothing to do: \(files(all)) applied before"
  }

  private static func plan(_ files: [MigrationFile], _ session: MigrationSession) async throws(ToolError) -> Int32 {
    let store = MigrationStore(session, holder: "")
    let records = try await session.patiently { () async throws(MigrationFailure) in try await store.records() }
    let pending = try MigrationHistory.pending(files, records)
    var plan = MigrationPlan(session)
    for file in pending {
      let done = records.first { $0.number == file.number }?.doneCount ?? 0
      do throws(MigrationFailure) {
        try await plan.show(file, doneCount: done)
      } catch {
        throw error.toolError
      }
    }
    Console.line(
      pending.isEmpty
        ? summary(0, files.count) : "\(pending.count) of \(files.count) files would be run; nothing was changed")
    return plan.refusedStatements == 0 ? 0 : 1
  }
}
