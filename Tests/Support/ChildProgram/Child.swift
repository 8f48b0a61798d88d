import Glibc

/// A program of this build, run as a child process.
public struct Child: Sendable {
  public let exitCode: Int32
  /// Standard output, up to 1 MiB.
  public let text: String

  /// Runs the program and waits for its end. Nil when it cannot be started.
  public static func run(_ program: String, _ arguments: [String]) -> Child? {
    guard let folder = programFolder else { return nil }
    var pipe: [Int32] = [0, 0]
    guard Glibc.pipe(&pipe) == 0 else { return nil }
    defer { close(pipe[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO)
    posix_spawn_file_actions_addclose(&actions, pipe[0])
    var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
    defer { for word in words { free(word) } }
    words.append(nil)
    var child = pid_t()
    let code = posix_spawn(&child, "\(folder)/\(program)", &actions, nil, words, environ)
    close(pipe[1])
    guard code == 0 else { return nil }
    let text = contents(of: pipe[0])
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    return Child(exitCode: status & 0x7f == 0 ? (status >> 8) & 0xff : -(status & 0x7f), text: text)
  }

  private static func contents(of descriptor: Int32) -> String {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      if bytes.count < 1 << 20 { bytes += chunk[..<count] }
    }
  }

  /// Where this test's own program lies, and so the others of the build.
  private static var programFolder: String? {
    var path = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &path, path.count)
    guard count > 0 else { return nil }
    let text = String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return text.lastIndex(of: "/").map { String(text[..<$0]) }
  }
}
