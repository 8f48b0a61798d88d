import EventLoop
import Glibc

/// Creates a directory and its parents where they are missing.
func createDirectory(_ path: String) throws {
  var made = path.hasPrefix("/") ? "/" : ""
  for part in path.split(separator: "/") {
    made += (made.isEmpty || made == "/" ? "" : "/") + part
    if mkdir(made, 0o750) != 0 && errno != EEXIST { throw DirectoryError(path: made, code: errno) }
  }
}

/// A directory that cannot be created.
struct DirectoryError: Error, CustomStringConvertible {
  let path: String
  let code: Int32
  var description: String { "cannot create the directory \(path): \(String(cString: strerror(code)))" }
}
