import EventLoop
import Glibc

enum Directories {
  /// Creates a directory and those above it; existing ones are fine.
  static func create(_ path: String) throws {
    var prefix = path.hasPrefix("/") ? "" : "."
    for part in path.split(separator: "/") {
      prefix += "/\(part)"
      if mkdir(prefix, 0o755) != 0 && errno != EEXIST { throw DirectoryError(path: prefix, code: errno) }
    }
  }
}

struct DirectoryError: Error, CustomStringConvertible {
  let path: String
  let code: Int32
  var description: String { "cannot create \(path): \(String(cString: strerror(code)))" }
}
