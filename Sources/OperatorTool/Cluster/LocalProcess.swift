import Glibc

/// Processes of this machine: starting them detached, and knowing them again later without trusting their number.
enum LocalProcess {
  enum State: String, Sendable {
    case running
    case paused
    case stopped
  }

  /// POSIX_SPAWN_SETSID of glibc's spawn.h, which Swift's importer hides.
  private static let newSession: Int32 = 0x80

  /// Starts `arguments[0]` in a session of its own, with no input and both outputs appended to `logPath`.
  static func spawn(_ arguments: [String], logPath: String) throws(ToolError) -> Int {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, logPath, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var noSignals = sigset_t()
    sigemptyset(&noSignals)
    var allSignals = sigset_t()
    sigfillset(&allSignals)
    posix_spawnattr_setsigmask(&attributes, &noSignals)
    posix_spawnattr_setsigdefault(&attributes, &allSignals)
    posix_spawnattr_setflags(
      &attributes, Int16(newSession | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)))

    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    var pid: pid_t = 0
    let code = posix_spawn(&pid, arguments[0], &actions, &attributes, pointers, environ)
    guard code == 0 else { throw ToolError("cannot start \(arguments[0]): \(String(cString: strerror(code)))") }
    return Int(pid)
  }

  /// Whether `pid` is, right now, a process that runs exactly `arguments`; a number given to another program since, and
  /// a process that has ended but was not waited for, count as stopped.
  static func state(of pid: Int, running arguments: [String]) -> State {
    guard pid > 1, let stat = try? FileSystem.read("/proc/\(pid)/stat"),
      let commandLine = try? FileSystem.read("/proc/\(pid)/cmdline")
    else { return .stopped }
    // The state letter follows the parenthesised name, which may itself contain anything; the parent's number is next.
    guard let end = stat.lastIndex(of: UInt8(ascii: ")")), end + 2 < stat.count else { return .stopped }
    let fields = stat[(end + 2)...].split(separator: UInt8(ascii: " "), maxSplits: 2)
    let letter = fields[0].first
    if letter == UInt8(ascii: "Z") || letter == UInt8(ascii: "X") { return .stopped }
    if commandLine.isEmpty {
      // Just being started, or ending and still holding its ports; threads of the kernel, children of 2, look alike.
      return fields.count > 1 && Array(fields[1]) == [UInt8(ascii: "2")] ? .stopped : .running
    }
    let words = commandLine.split(separator: 0, omittingEmptySubsequences: false).dropLast()
    guard words.map({ String(decoding: $0, as: UTF8.self) }) == arguments else { return .stopped }
    return letter == UInt8(ascii: "T") ? .paused : .running
  }

  static func signal(_ number: Int32, _ pid: Int) {
    guard pid > 1, let target = pid_t(exactly: pid) else { return }
    kill(target, number)
  }

  /// Collects children of this process that have ended, so that they do not linger as zombies.
  static func reap() {
    var status: Int32 = 0
    while waitpid(-1, &status, WNOHANG) > 0 {}
  }

  /// Resident memory in bytes; nil when the process is gone.
  static func residentBytes(_ pid: Int) -> Int? {
    guard let content = try? FileSystem.read("/proc/\(pid)/statm") else { return nil }
    let fields = String(decoding: content, as: UTF8.self).split(separator: " ")
    return fields.count > 1 ? Int(fields[1]).map { $0 * 4096 } : nil
  }
}
