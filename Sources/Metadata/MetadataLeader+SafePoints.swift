import Basics
import Catalog

/// What a process tells with each renewal about the past it still needs.
public struct SafePointReport: Hashable, Sendable {
  /// Of a gateway: where its oldest open transaction began; nil: none is open.
  public var oldestStart: Timestamp?
  /// Of a storage node: no lock of a transaction that started below is on any of its replicas; zero: not known.
  public var resolved: Timestamp

  public init(oldestStart: Timestamp? = nil, resolved: Timestamp = .zero) {
    self.oldestStart = oldestStart
    self.resolved = resolved
  }
}

/// How far storage nodes may give up the past of their ranges. Advice only: the ranges keep what they were told, and refuse
/// whoever comes too late.
public struct SafePointTargets: Hashable, Sendable {
  public struct Hold: Hashable, Sendable {
    public var table: TableID
    public var timestamp: Timestamp
  }

  /// Versions that only reads below it could see.
  public var versions = Timestamp.zero
  /// Records of transactions that started below it.
  public var records = Timestamp.zero
  /// Tables whose ranges keep more, because a job reads or writes in their past; by table.
  public var holds: [Hold] = []

  public init() {}
}

extension MetadataLeader {
  /// The safe points as of now. They advance by steps of an eighth of the retention, and never go back while this replica
  /// leads. A leader that has not heard from every live gateway since it leads does not move the point of versions, nor does
  /// one that has led for less than the retention; that of records waits for every storage node there is, live or not.
  public mutating func advanceSafePoints(now: MonotonicTime, wallMilliseconds: UInt64) -> SafePointTargets {
    advanceClock(now, wallMilliseconds)
    guard options.garbageRetentionMilliseconds > 0 else { return safePoints }
    // Even if nobody asks for timestamps: what is issued from now on lies above the present.
    let present = Timestamp(physicalMilliseconds: min(wallMilliseconds, oracle.bound.physicalMilliseconds))
    oracle.skip(to: present, ceiling: ceiling, wallMilliseconds: wallMilliseconds)
    issued.record(oracle.last, at: self.now, retention: options.garbageRetentionMilliseconds)
    if let versions = versionSafePoint { safePoints.versions = max(safePoints.versions, versions) }
    if let records = resolvedEverywhere {
      safePoints.records = max(safePoints.records, min(records, safePoints.versions))
    }
    var holds: [TableID: Timestamp] = [:]
    for job in applied.unfinishedJobRecords where job.timestamp != .zero && job.timestamp < safePoints.versions {
      for table in job.objects where applied.catalog.table(id: table) != nil {
        holds[table] = min(holds[table] ?? .max, job.timestamp)
      }
    }
    safePoints.holds = holds.sorted { $0.key < $1.key }.map {
      SafePointTargets.Hold(table: $0.key, timestamp: $0.value)
    }
    return safePoints
  }

  private var versionSafePoint: Timestamp? {
    let retention = options.garbageRetentionMilliseconds
    guard let old = issued.newest(atLeast: retention, before: now) else { return nil }
    let present = oracle.last.physicalMilliseconds
    var point = min(old.physicalMilliseconds, present - min(present, retention))
    let longest = present - min(present, options.maximumTransactionHoldMilliseconds)
    for session in sessions.values where session.role == .gateway {
      guard let report = session.report else { return nil }
      if let oldest = report.oldestStart { point = min(point, max(oldest.physicalMilliseconds, longest)) }
    }
    let step = IssuedTimestamps.step(of: retention)
    return Timestamp(physicalMilliseconds: point - point % step)
  }

  private var resolvedEverywhere: Timestamp? {
    var least: Timestamp?
    for node in applied.nodes.values where node.role == .storage {
      guard let report = sessions[node.id]?.report else { return nil }
      least = min(least ?? .max, report.resolved)
    }
    return least
  }
}

/// What the oracle had issued when, as far back as the retention. Timestamps follow the wall clock, which may be set forward
/// by more than the retention: a transaction is as old as it has taken by the monotonic clock.
struct IssuedTimestamps: Sendable {
  private var samples: [(last: Timestamp, at: MonotonicTime)] = []

  /// How far samples, and with them safe points, are apart (milliseconds).
  static func step(of retention: UInt64) -> UInt64 { max(1, retention / 8) }

  mutating func record(_ last: Timestamp, at now: MonotonicTime, retention: UInt64) {
    if let newest = samples.last, now.milliseconds(since: newest.at) < Self.step(of: retention) { return }
    samples.append((last, now))
    while samples.count > 1, now.milliseconds(since: samples[1].at) >= retention { samples.removeFirst() }
  }

  /// The last one issued `retention` milliseconds before `now` or earlier; nil: not known.
  func newest(atLeast retention: UInt64, before now: MonotonicTime) -> Timestamp? {
    samples.last { now.milliseconds(since: $0.at) >= retention }?.last
  }
}
