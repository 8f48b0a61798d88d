import Basics
import PostgresParser
import SQLSyntax

/// One numbered SQL file.
struct MigrationFile: Hashable, Sendable {
  /// The digits its name begins with.
  let number: Int64
  let name: String
  /// SHA-256 of its bytes, without a byte order mark and with LF at the ends of lines.
  let checksum: String
  let statements: [MigrationStatement]

  static let maximumBytes = 16 << 20

  /// What statement is the last of `count`: 64 zeros for none.
  func checksum(ofFirst count: Int) -> String? {
    count == 0 ? Self.emptyChecksum : statements.indices.contains(count - 1) ? statements[count - 1].checksum : nil
  }

  static let emptyChecksum = String(repeating: "0", count: 64)

  /// The number that a file's name begins with: `0001_ships.sql` and `1.sql` are number 1; nil for other names.
  static func number(of name: String) -> Int64? {
    let digits = name.prefix { $0.isASCII && $0.isNumber }
    guard !digits.isEmpty, let number = Int64(digits) else { return nil }
    return ["_", "-", "."].contains(name.dropFirst(digits.count).first) ? number : nil
  }
}

// MARK: - Reading

extension MigrationFile {
  init(name: String, number: Int64, bytes: [UInt8]) async throws(ToolError) {
    guard bytes.count <= Self.maximumBytes else {
      throw .refused("\(name) is larger than \(Self.maximumBytes >> 20) MiB")
    }
    guard let text = String(validating: Self.normalized(bytes), as: UTF8.self) else {
      throw .refused("\(name) is no UTF-8")
    }
    try Self.refuseForeignSections(text, name)
    self.name = name
    self.number = number
    checksum = SHA256.hexadecimal(text)
    let parser = StatementParser(limits: ParserLimits(maximumBytes: Self.maximumBytes), threads: 1)
    let parsed: [ParsedStatement]
    do throws(SQLError) {
      parsed = try await parser.parse(text)
    } catch {
      let line = error.position.map { text.prefix($0 - 1).count { $0 == "\n" } + 1 }
      throw .refused("\(name)\(line.map { ", line \($0)" } ?? ""): \(error.message)")
    }
    statements = try MigrationScript(name: name, text: text).statements(parsed)
  }

  private static func normalized(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    for byte in bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes.dropFirst(3) : bytes[...] {
      if byte == 0x0a, result.last == 0x0d { result.removeLast() }
      result.append(byte)
    }
    return result
  }

  /// Files of dbmate and goose have the way back in the same file: running all of it would undo what it did.
  private static func refuseForeignSections(_ text: String, _ name: String) throws(ToolError) {
    for line in text.split(separator: "\n") {
      let words = line.lowercased().split(separator: " ")
      let mark = words.prefix(3).joined(separator: " ")
      if mark.hasPrefix("-- migrate:down") || mark == "-- +goose down" {
        throw .refused("\(name) has a section \"\(line)\": all of a file would be run, so take that section out")
      }
    }
  }

  /// The migrations of a directory in the order of their numbers. Files that do not end in `.sql`, and those that end in
  /// `.down.sql` (ways back, as golang-migrate has them), are not looked at.
  static func all(in directory: String) async throws(ToolError) -> [MigrationFile] {
    let names = try FileSystem.list(directory).filter { $0.hasSuffix(".sql") && !$0.hasSuffix(".down.sql") }
    var numbered: [(number: Int64, name: String)] = []
    var problems: [String] = []
    for name in names.sorted() {
      guard let number = number(of: name) else {
        problems.append("\(name) does not begin with a number as in 0001_\(name)")
        continue
      }
      if let other = numbered.first(where: { $0.number == number }) {
        problems.append("\(other.name) and \(name) have the same number \(number)")
      }
      numbered.append((number, name))
    }
    var files: [MigrationFile] = []
    for (number, name) in numbered.sorted(by: { ($0.number, $0.name) < ($1.number, $1.name) }) {
      do throws(ToolError) {
        let bytes = try FileSystem.read("\(directory)/\(name)")
        files.append(try await MigrationFile(name: name, number: number, bytes: bytes))
      } catch {
        problems.append(error.message)
      }
    }
    if !problems.isEmpty { throw .refused(problems) }
    return files
  }
}
