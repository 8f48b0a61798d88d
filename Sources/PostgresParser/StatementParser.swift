import Basics
import CPgQuery
import CProtobufC
import EventLoop
import SQLSyntax

/// What a query string may cost before it is parsed. Beyond: SQLSTATE 54000 or 54001.
public struct ParserLimits: Hashable, Sendable {
  /// Bytes of one query string.
  public var maximumBytes: Int
  /// Tokens that could end up on one branch of the syntax tree: what bounds the recursion of the parser.
  public var maximumDepthBound: Int

  public init(maximumBytes: Int = 1 << 20, maximumDepthBound: Int = 16_000) {
    self.maximumBytes = maximumBytes
    self.maximumDepthBound = maximumDepthBound
  }

  /// Levels of the syntax tree that are converted and planned.
  static let maximumTreeDepth = 160
  /// Entries of a SELECT or RETURNING list, as in PostgreSQL (`MaxTupleAttributeNumber`).
  static let maximumTargetEntries = 1_664
  /// Bytes the lexer may look at again because of comments: some tens of milliseconds.
  static let maximumCommentLexingCost = 16 << 20
  /// Below this bound a parse fits any thread's stack.
  static let inlineDepthBound = 256
}

/// Parses SQL text with PostgreSQL 15's own grammar (libpg_query).
///
/// The grammar's tree is walked recursively by the library, so long texts are parsed on threads with large stacks; short
/// ones, which cannot nest deeply, on the caller's thread.
public final class StatementParser: Sendable {
  static let stackSizeBytes = 256 << 20
  private let pool: BlockingPool
  private let limits: ParserLimits

  public init(limits: ParserLimits = ParserLimits(), threads: Int = 2) {
    // libpg_query carries an older protobuf-c of its own; the system's must be the one that is linked first.
    precondition(protobuf_c_version_number() >= 1_004_001, "libprotobuf-c is older than 1.4.1")
    self.limits = limits
    pool = BlockingPool(name: "sql-parser", threads: threads, stackSizeBytes: Self.stackSizeBytes)
  }

  /// The statements of a query string, none for a blank one. Throws 42601 with a position for a syntax error, 54000 or 54001
  /// beyond the limits. What is well-formed but not built comes as `Statement.unsupported`.
  public func parse(
    _ text: String, isolation: isolated (any Actor)? = #isolation
  ) async throws(SQLError) -> [ParsedStatement] {
    let limits = limits
    var copy = text
    let scanned = try Self.scan(&copy, limits)
    if scanned.depthBound <= ParserLimits.inlineDepthBound && scanned.tokenCount <= 2_000 {
      return try Self.parseScanned(copy, scanned)
    }
    let result: Result<[ParsedStatement], SQLError> = await pool.run {
      do throws(SQLError) { return .success(try Self.parseScanned(text, scanned)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  /// As `parse`, on this thread, whose stack must suffice for `limits`.
  public static func parseOnThisThread(
    _ text: String, limits: ParserLimits = ParserLimits()
  ) throws(SQLError) -> [ParsedStatement] {
    var copy = text
    let scanned = try scan(&copy, limits)
    return try parseScanned(copy, scanned)
  }

  private static func scan(_ text: inout String, _ limits: ParserLimits) throws(SQLError) -> ScannedText {
    guard text.utf8.count <= limits.maximumBytes else {
      throw SQLError(
        .programLimitExceeded,
        "statement of \(text.utf8.count) bytes exceeds the limit of \(limits.maximumBytes) bytes")
    }
    let result = text.withUTF8 { bytes -> Result<ScannedText, SQLError> in
      if bytes.contains(0) {
        return .failure(
          SQLError(.characterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00"))
      }
      return .success(ScannedText(bytes))
    }
    let scanned = try result.get()
    guard scanned.depthBound <= limits.maximumDepthBound else { throw tooComplex }
    guard scanned.commentLexingCost <= ParserLimits.maximumCommentLexingCost else {
      throw SQLError(.statementTooComplex, "the statement has too many comments in a row, or nested too deeply")
    }
    return scanned
  }

  static let tooComplex = SQLError(
    .statementTooComplex, "stack depth limit exceeded",
    hint: "Split the statement: its expressions or subqueries are nested or chained too deeply.")

  private static func parseScanned(_ text: String, _ scanned: ScannedText) throws(SQLError) -> [ParsedStatement] {
    // A comment may have been left open: the library says so.
    if scanned.statements.isEmpty, !text.utf8.contains(UInt8(ascii: "*")) { return [] }
    var copy = text
    let result = copy.withUTF8 { bytes -> Result<[ParsedStatement], SQLError> in
      do throws(SQLError) { return .success(try parse(bytes, scanned)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  private static func parse(
    _ bytes: UnsafeBufferPointer<UInt8>, _ scanned: ScannedText
  ) throws(SQLError) -> [ParsedStatement] {
    guard scanned.mentionsOnBlock else { return try parse(bytes, scanned, blocks: [:]) }
    let positions = SourcePositions(bytes)
    var blocks: [Int: OnBlockClause] = [:]
    var rest = Array(bytes)
    for (index, range) in scanned.statements.enumerated() {
      let part = UnsafeBufferPointer(rebasing: bytes[range])
      let clause = try OnBlockClause.find(in: part) { positions.character(atByte: range.lowerBound + $0) }
      guard let clause else { continue }
      blocks[index] = clause
      for position in clause.range { rest[range.lowerBound + position] = UInt8(ascii: " ") }
    }
    let result = rest.withUnsafeBufferPointer { rest -> Result<[ParsedStatement], SQLError> in
      do throws(SQLError) { return .success(try parse(rest, scanned, blocks: blocks)) } catch { return .failure(error) }
    }
    return try result.get()
  }

  /// - Parameter blocks: of the statements by their number; `bytes` has blanks in their place.
  private static func parse(
    _ bytes: UnsafeBufferPointer<UInt8>, _ scanned: ScannedText, blocks: [Int: OnBlockClause]
  ) throws(SQLError) -> [ParsedStatement] {
    let positions = SourcePositions(bytes)
    var own: [Int: OwnStatement] = [:]
    var clauses: [Int: SystemTimeClause] = [:]
    for (index, range) in scanned.statements.enumerated() {
      let part = UnsafeBufferPointer(rebasing: bytes[range])
      if scanned.mentionsSystem {
        clauses[index] = try SystemTimeClause.find(in: part) { positions.character(atByte: range.lowerBound + $0) }
      }
      if let found = try JobStatementParser.parse(
        part, positionOffset: positions.character(atByte: range.lowerBound) - 1)
      {
        own[index] = found
      }
    }
    if own.isEmpty && clauses.isEmpty && blocks.isEmpty {
      return try parseWithLibrary(Array(bytes), positions, after: 0)
    }
    // Mixed: each statement by itself, with blanks before it so that its byte offsets stay.
    var all: [ParsedStatement] = []
    for (index, range) in scanned.statements.enumerated() {
      var result: [ParsedStatement] = []
      let text = String(decoding: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self)
      func library(from start: Int) throws(SQLError) -> [ParsedStatement] {
        let blanks = [UInt8](repeating: 0x20, count: start)
        var part = Array(bytes[range])
        if let clause = clauses[index] { part = clause.cut(from: part) }
        return try parseWithLibrary(blanks + part[(start - range.lowerBound)...], positions, after: start)
      }
      /// PostgreSQL's grammar has no `IF NOT EXISTS` there.
      func createdDatabases(from start: Int, without clause: Range<Int>) throws(SQLError) -> [ParsedStatement] {
        var part = Array(bytes[range])
        for position in clause { part[position] = UInt8(ascii: " ") }
        let blanks = [UInt8](repeating: 0x20, count: start)
        return try parseWithLibrary(blanks + part[(start - range.lowerBound)...], positions, after: start).map {
          parsed in
          guard case .object(.createDatabase(var create)) = parsed.statement else { return parsed }
          create.ifNotExists = true
          var parsed = parsed
          parsed.statement = .object(.createDatabase(create))
          parsed.text = text
          return parsed
        }
      }
      if let clause = clauses[index] {
        for parsed in try library(from: range.lowerBound) { all.append(try clause.apply(to: parsed, text: text)) }
        continue
      }
      func explained(from start: Int) throws(SQLError) -> [ParsedStatement] {
        let part = UnsafeBufferPointer(rebasing: bytes[start..<range.upperBound])
        let found = try JobStatementParser.parse(part, positionOffset: positions.character(atByte: start) - 1)
        switch found {
        case .statement(let statement)? where statement.isSchemaChange:
          return [ParsedStatement(statement: statement, text: text, parameterCount: 0)]
        case .createDatabaseIfNotExists(let clause)?:
          let offset = start - range.lowerBound
          return try createdDatabases(
            from: start, without: clause.lowerBound + offset..<clause.upperBound + offset)
        case .statement?, .explainSchemaChange?, nil: return try library(from: start)
        }
      }
      switch own[index] {
      case .statement(let statement)?:
        result.append(ParsedStatement(statement: statement, text: text, parameterCount: 0))
      case .explainSchemaChange(let offset, let validates)?:
        for explained in try explained(from: range.lowerBound + offset) {
          let statement = Statement.explain(
            ExplainOptions(isSchemaChange: true, validates: validates), explained.statement)
          var parsed = ParsedStatement(statement: statement, text: text, parameterCount: explained.parameterCount)
          parsed.databaseReferences = explained.databaseReferences
          result.append(parsed)
        }
      case .createDatabaseIfNotExists(let clause)?:
        result += try createdDatabases(from: range.lowerBound, without: clause)
      case nil: result += try library(from: range.lowerBound)
      }
      if let block = blocks[index] {
        result = try result.map { (parsed) throws(SQLError) in try block.apply(to: parsed) }
      }
      all += result
    }
    return all
  }

  private static func parseWithLibrary(
    _ text: [UInt8], _ positions: SourcePositions, after start: Int
  ) throws(SQLError) -> [ParsedStatement] {
    let parsed = (text + [0]).withUnsafeBytes { raw in
      pg_query_parse_protobuf(raw.bindMemory(to: CChar.self).baseAddress)
    }
    defer { pg_query_free_protobuf_parse_result(parsed) }
    if let error = parsed.error {
      throw syntaxError(error.pointee, shift: positions.character(atByte: start) - 1 - start)
    }
    let result: Result<[ParsedStatement], SQLError> = ParseTreeArena.with { arena in
      let tree: UnsafeMutablePointer<PgQuery__ParseResult>? = pg_query__parse_result__unpack(
        arena, parsed.parse_tree.len, UnsafeRawPointer(parsed.parse_tree.data)?.assumingMemoryBound(to: UInt8.self))
      guard let tree else { return .failure(SQLError(.outOfMemory, "out of memory while parsing")) }
      return .success(converted(tree, text, positions))
    }
    return try result.get()
  }

  private static func converted(
    _ tree: UnsafeMutablePointer<PgQuery__ParseResult>, _ text: [UInt8], _ positions: SourcePositions
  ) -> [ParsedStatement] {
    var result: [ParsedStatement] = []
    for index in 0..<tree.pointee.n_stmts {
      guard let raw = tree.pointee.stmts[index] else { continue }
      var converter = TreeConverter(positions: positions)
      let statement = converter.topStatement(raw.pointee.stmt)
      let start = min(max(0, Int(raw.pointee.stmt_location)), text.count)
      let length = Int(raw.pointee.stmt_len)
      let end = length > 0 ? min(start + length, text.count) : text.count
      var parsed = ParsedStatement(
        statement: statement, text: trimmed(text[start..<end]), parameterCount: converter.parameterCount)
      parsed.databaseReferences = converter.databases.all
      result.append(parsed)
    }
    return result
  }

  private static func syntaxError(_ error: PgQueryError, shift: Int) -> SQLError {
    let message = error.message.map { String(cString: $0) } ?? "syntax error"
    let cursor = Int(error.cursorpos)
    // The library counts the blanks in front, which stand for bytes, as characters.
    let position = cursor > 0 ? cursor + shift : nil
    if message.contains("stack depth") || message.contains("memory exhausted") { return tooComplex }
    if message.hasPrefix("out of memory") { return SQLError(.outOfMemory, message) }
    if message.contains("not yet supported") || message.contains("not implemented") {
      return SQLError(.featureNotSupported, message, position: position)
    }
    if message.hasPrefix("there is no parameter") { return SQLError(.undefinedParameter, message, position: position) }
    return SQLError(.syntaxError, message, position: position)
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
    var slice = bytes
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }
    while let first = slice.first, isBlank(first) || first == UInt8(ascii: ";") { slice = slice.dropFirst() }
    while let last = slice.last, isBlank(last) || last == UInt8(ascii: ";") { slice = slice.dropLast() }
    return String(decoding: slice, as: UTF8.self)
  }
}

/// From byte offsets to the characters that clients count, from 1.
struct SourcePositions {
  /// Characters before each byte; nil when every character is one byte.
  private var charactersBefore: [Int32]?

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard bytes.contains(where: { $0 >= 0x80 }) else { return }
    var count: Int32 = 0
    var table: [Int32] = []
    table.reserveCapacity(bytes.count + 1)
    for byte in bytes {
      table.append(count)
      if byte & 0xc0 != 0x80 { count += 1 }
    }
    table.append(count)
    charactersBefore = table
  }

  func character(atByte offset: Int) -> Int {
    guard let charactersBefore else { return offset + 1 }
    return Int(charactersBefore[min(max(0, offset), charactersBefore.count - 1)]) + 1
  }
}
