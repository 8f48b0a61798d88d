import Glibc

/// The directory a process keeps its data in.
public enum DataDirectory {
  /// Creates a directory and its parents where they are missing. On a simulated disk nothing is to be done: databases
  /// there make their own.
  ///
  /// - Throws: `inputOutput` naming the directory that could not be made, or `diskFull`.
  public static func create(_ path: String, disk: SimulatedDisk? = .current) throws(RocksError) {
    if disk != nil { return }
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += (made.isEmpty || made == "/" ? "" : "/") + part
      guard mkdir(made, 0o750) != 0 else { continue }
      let code = errno
      if code == EEXIST { continue }
      let text = "cannot create the directory \(made): \(String(cString: strerror(code)))"
      throw code == ENOSPC ? .diskFull(text) : .inputOutput(text)
    }
  }
}
