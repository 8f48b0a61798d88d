import Glibc

/// This program again, as another process, with its output in a file without a name.
struct ChildProcess {
  let process: pid_t
  private let output: Int32

  /// How a process ended, and the end of what it printed.
  struct Ending {
    let status: Int32
    let text: String
    var isGood: Bool { status == 0 }
    var lines: [Substring] { text.split(separator: "\n") }

    var description: String { status & 0x7f == 0 ? "exit code \((status >> 8) & 0xff)" : "signal \(status & 0x7f)" }

    /// What the lines that begin with `word: ` say.
    func said(_ word: String) -> [String] {
      lines.filter { $0.hasPrefix(word + ": ") }.map { String($0.dropFirst(word.utf8.count + 2)) }
    }
  }

  private static let outputLimitBytes = 256 << 10

  /// Nil when the system refuses.
  init?(_ arguments: [String]) {
    guard let file = tmpfile() else { return nil }
    // The stream is closed with its descriptor; a copy stays.
    let output = dup(fileno(file))
    fclose(file)
    guard output >= 0 else { return nil }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
    var words: [UnsafeMutablePointer<CChar>?] = (["theseus-simulation"] + arguments).map { strdup($0) }
    defer { for word in words { free(word) } }
    words.append(nil)
    var process = pid_t()
    guard posix_spawn(&process, "/proc/self/exe", &actions, nil, words, environ) == 0 else {
      close(output)
      return nil
    }
    self.process = process
    self.output = output
  }

  /// Waits for any of `children` and takes it out of them.
  static func next(of children: inout [pid_t: ChildProcess]) -> (ChildProcess, Ending)? {
    while !children.isEmpty {
      var status: Int32 = 0
      let process = waitpid(-1, &status, 0)
      if process < 0 {
        if errno == EINTR { continue }
        return nil
      }
      if let child = children.removeValue(forKey: process) { return (child, child.ending(status)) }
    }
    return nil
  }

  /// Waits for this one.
  func wait() -> Ending {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    return ending(status)
  }

  private func ending(_ status: Int32) -> Ending {
    let size = lseek(output, 0, SEEK_END)
    lseek(output, max(0, size - Self.outputLimitBytes), SEEK_SET)
    var bytes = [UInt8](repeating: 0, count: Self.outputLimitBytes)
    let count = read(output, &bytes, bytes.count)
    close(output)
    return Ending(status: status, text: String(decoding: bytes.prefix(max(0, count)), as: UTF8.self))
  }
}
