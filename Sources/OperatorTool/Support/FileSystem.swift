import Glibc

/// The few file operations the tool needs, with errors that name the path.
enum FileSystem {
  /// Files read whole are small: logs and descriptions of clusters (bytes).
  static let maximumFileBytes = 64 << 20

  static func read(_ path: String) throws(ToolError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("read", path) }
    defer { close(descriptor) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw failure("read", path)
      }
      if count == 0 { return content }
      content += chunk[..<count]
      guard content.count <= maximumFileBytes else {
        throw ToolError("\(path) is larger than \(maximumFileBytes) bytes")
      }
    }
  }

  /// Replaces the file in one step: a reader sees the old content or the new.
  static func write(_ text: String, to path: String) throws(ToolError) {
    let temporary = "\(path).new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure("write", temporary) }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        let error = failure("write", temporary)
        close(descriptor)
        throw error
      }
      rest = rest.dropFirst(count)
    }
    close(descriptor)
    guard rename(temporary, path) == 0 else { throw failure("write", path) }
  }

  /// Creates a directory and what is missing above it.
  static func makeDirectory(_ path: String) throws(ToolError) {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
      if mkdir(made, 0o755) != 0, errno != EEXIST { throw failure("create the directory", made) }
    }
  }

  /// A new directory under /tmp whose name begins with `prefix`.
  static func temporaryDirectory(_ prefix: String) throws(ToolError) -> String {
    var template = Array("/tmp/\(prefix)-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer in
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
    }
    guard let made else { throw failure("create a directory", "/tmp/\(prefix)-XXXXXX") }
    return made
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
  static func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 }
  static func remove(_ path: String) { unlink(path) }

  /// Removes a file, or a directory with everything in it; symbolic links are removed, not followed.
  static func removeTree(_ path: String) {
    if unlink(path) == 0 { return }
    guard let names = try? list(path) else { return }
    for name in names { removeTree("\(path)/\(name)") }
    rmdir(path)
  }

  /// Names in a directory, in no order, without `.` and `..`.
  static func list(_ path: String) throws(ToolError) -> [String] {
    guard let directory = opendir(path) else { throw failure("read the directory", path) }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// The same path from the root; it need not exist.
  static func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    guard let current = getcwd(nil, 0) else { return path }
    defer { free(current) }
    return String(cString: current) + "/" + path
  }

  /// The directory of the running program.
  static var programDirectory: String {
    guard let path = realpath("/proc/self/exe", nil) else { return "." }
    defer { free(path) }
    let text = String(cString: path)
    return text.lastIndex(of: "/").map { String(text[..<$0]) } ?? "."
  }

  private static func failure(_ action: String, _ path: String) -> ToolError {
    ToolError("cannot \(action) \(path): \(String(cString: strerror(errno)))")
  }
}
