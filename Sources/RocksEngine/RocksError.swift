import Basics
import CRocksDB

/// Why the database refused.
public enum RocksError: Error, Hashable, CustomStringConvertible {
  /// No space left for a write. The database stays readable.
  case diskFull(String)
  /// A checksum did not agree, or a file is missing: what is stored cannot be trusted.
  case corruption(String)
  /// Another process has the directory open.
  case locked(String)
  case inputOutput(String)
  case other(String)

  /// From RocksDB's status text, which begins with the kind of the status.
  init(text: String) {
    if text.contains("No space left") || text.contains("NoSpace") {
      self = .diskFull(text)
    } else if text.hasPrefix("Corruption") {
      self = .corruption(text)
    } else if text.contains("lock") && text.contains("LOCK") {
      self = .locked(text)
    } else if text.hasPrefix("IO error") {
      self = .inputOutput(text)
    } else {
      self = .other(text)
    }
  }

  public var description: String {
    switch self {
    case .diskFull(let text): "disk full: \(text)"
    case .corruption(let text): "corrupted: \(text)"
    case .locked(let text): "in use by another process: \(text)"
    case .inputOutput(let text): text
    case .other(let text): text
    }
  }

  /// As a SQL client sees it.
  public var sqlError: SQLError {
    switch self {
    case .diskFull: SQLError(.diskFull, description)
    case .corruption: SQLError(.dataCorrupted, description)
    case .locked, .inputOutput, .other: SQLError(.systemError, description)
    }
  }
}

/// Calls a C function that reports errors through `char** errptr`.
func checked<Result>(
  _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
) throws(RocksError) -> Result {
  var message: UnsafeMutablePointer<CChar>?
  let result = body(&message)
  if let message { throw takeError(message) }
  return result
}

/// Frees RocksDB's text.
func takeError(_ message: UnsafeMutablePointer<CChar>) -> RocksError {
  defer { rocksdb_free(message) }
  return RocksError(text: String(cString: message))
}
