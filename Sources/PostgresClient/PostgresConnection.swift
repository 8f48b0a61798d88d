import Basics
import EventLoop
import PostgresProtocol

/// A session with a PostgreSQL-speaking server: simple and extended queries, in order, pipelined when several callers
/// ask at once. No encryption, no password: for tools on the same machine or a trusted network. Lives until it is closed.
@EventLoopActor public final class PostgresConnection {
  /// A result larger than this closes the connection (bytes of values).
  public static let maximumResultBytes = 256 << 20
  /// Requests that may wait for an answer.
  public static let maximumPipelinedRequests = 1_024

  private let transport: TCPConnection
  private var decoder = BackendDecoder()
  private var requests: [Request] = []
  private var firstRequest = 0
  private var closeReason: String?

  /// What the server said at the start and changed since.
  public private(set) var parameters: [String: String] = [:]
  public private(set) var transactionStatus = TransactionStatusByte.idle
  /// Called for every notice.
  public var onNotice: (@EventLoopActor (SQLError) -> Void)?
  /// Called once when the connection ends, whoever ended it.
  public var onClose: (@EventLoopActor (String) -> Void)?

  private typealias Outcome = Result<[PostgresResult], PostgresClientError>

  private struct Request {
    var completion: @EventLoopActor (Outcome) -> Void
    var results: [PostgresResult] = []
    var current = PostgresResult()
    var error: PostgresClientError?
    var resultBytes = 0

    mutating func complete(_ tag: String) {
      current.commandTag = tag
      results.append(current)
      current = PostgresResult()
    }
  }

  private init(_ transport: TCPConnection) {
    self.transport = transport
    transport.onRead = { bytes in self.received(bytes) }
    transport.onClose = { reason in self.lost("\(reason)") }
  }

  public var isOpen: Bool { closeReason == nil }

  // MARK: - Opening and closing

  /// - Parameter keepalive: After so much silence the server's machine is asked for a sign of life: else nobody learns
  ///   that it has gone (nil).
  public static func connect(
    to endpoint: Endpoint, user: String = "root", database: String = "defaultdb",
    applicationName: String = "theseus", timeout: Duration = .seconds(10), keepalive: Duration? = .seconds(30)
  ) async throws(PostgresClientError) -> PostgresConnection {
    let transport: TCPConnection
    do {
      transport = try await TCPConnection.connect(to: endpoint, timeout: timeout)
    } catch {
      throw .notConnected("\(error)")
    }
    if let keepalive { transport.enableKeepalive(after: keepalive) }
    let connection = PostgresConnection(transport)
    let timer = Timer.once(after: timeout) { connection.close("no answer to the start-up message") }
    defer { timer.cancel() }
    var writer = FrontendWriter()
    writer.startup(
      StartupParameters(parameters: [
        .init(name: "user", value: user), .init(name: "database", value: database),
        .init(name: "application_name", value: applicationName), .init(name: "client_encoding", value: "UTF8"),
      ]))
    do throws(PostgresClientError) {
      _ = try await connection.request(writer.bytes)
    } catch {
      connection.close("start-up failed")
      throw .notConnected("\(error)")
    }
    return connection
  }

  /// Ends the session; requests under way fail with `connectionLost`.
  public func close(_ reason: String = "closed by the client") {
    guard isOpen else { return }
    var writer = FrontendWriter()
    writer.terminate()
    transport.write(writer.bytes)
    transport.closeAfterWriting(reason)
    lost(reason)
  }

  // MARK: - Requests

  /// Simple query: one result for each statement of `text`.
  public func queryAll(_ text: String) async throws(PostgresClientError) -> [PostgresResult] {
    var writer = FrontendWriter()
    writer.query(text)
    return try await request(writer.bytes)
  }

  /// Simple query; the result of the last statement.
  @discardableResult
  public func query(_ text: String) async throws(PostgresClientError) -> PostgresResult {
    try await queryAll(text).last ?? PostgresResult()
  }

  /// Names a statement for `execute(prepared:)` until the session ends.
  public func prepare(_ name: String, _ text: String) async throws(PostgresClientError) {
    var writer = FrontendWriter()
    writer.parse(.init(name: name, text: text, parameterTypes: []))
    writer.sync()
    _ = try await request(writer.bytes)
  }

  /// Extended query with parameters as text.
  @discardableResult
  public func execute(
    prepared name: String, _ parameters: [String?] = []
  ) async throws(PostgresClientError) -> PostgresResult {
    var writer = FrontendWriter()
    bindAndExecute(name, parameters, &writer)
    return try await request(writer.bytes).last ?? PostgresResult()
  }

  /// Parse, bind, execute in one round trip.
  @discardableResult
  public func execute(
    _ text: String, _ parameters: [String?]
  ) async throws(PostgresClientError) -> PostgresResult {
    var writer = FrontendWriter()
    writer.parse(.init(name: "", text: text, parameterTypes: []))
    bindAndExecute("", parameters, &writer)
    return try await request(writer.bytes).last ?? PostgresResult()
  }

  private func bindAndExecute(_ name: String, _ parameters: [String?], _ writer: inout FrontendWriter) {
    writer.bind(
      .init(
        portal: "", statement: name, parameterFormats: [],
        parameters: parameters.map { $0.map { Array($0.utf8)[...] } },
        resultFormats: []))
    writer.describe(.portal(""))
    writer.execute(portal: "")
    writer.sync()
  }

  private func request(_ bytes: [UInt8]) async throws(PostgresClientError) -> [PostgresResult] {
    let outcome: Outcome = await withUnsafeContinuation { continuation in
      start(bytes) { continuation.resume(returning: $0) }
    }
    return try outcome.get()
  }

  private func start(_ bytes: [UInt8], _ completion: @escaping @EventLoopActor (Outcome) -> Void) {
    if let closeReason { return completion(.failure(.connectionLost(closeReason))) }
    guard requests.count - firstRequest < Self.maximumPipelinedRequests else {
      return completion(
        .failure(
          .server(
            SQLError(.programLimitExceeded, "\(Self.maximumPipelinedRequests) requests wait for an answer already"))))
    }
    requests.append(Request(completion: completion))
    transport.write(bytes)
  }

  // MARK: - Answers

  private func received(_ bytes: UnsafeRawBufferPointer) {
    decoder.receive(bytes)
    do throws(SQLError) {
      while isOpen, let message = try decoder.next() { handle(message) }
    } catch {
      transport.close("the server sent \(error.message)")
      lost("the server sent \(error.message)")
    }
  }

  private func handle(_ message: BackendMessage) {
    switch message {
    case .parameterStatus(let name, let value): parameters[name] = value
    case .noticeResponse(let notice): onNotice?(notice)
    case .authenticationRequest(let kind): abandon("the server wants authentication of kind \(kind)")
    case .readyForQuery(let status):
      transactionStatus = status
      finishRequest()
    case .rowDescription(let fields): withRequest { $0.current.fields = fields }
    case .dataRow(let values): append(values)
    case .commandComplete(let tag): withRequest { $0.complete(tag) }
    case .emptyQueryResponse, .portalSuspended: withRequest { $0.complete("") }
    case .errorResponse(let error):
      if firstRequest < requests.count { withRequest { $0.error = .server(error) } } else { abandon(error.message) }
    case .authenticationOk, .backendKeyData, .negotiateProtocolVersion, .parseComplete, .bindComplete, .closeComplete,
      .noData, .parameterDescription, .other:
      break
    }
  }

  private func append(_ values: [ArraySlice<UInt8>?]) {
    var isTooLarge = false
    withRequest { request in
      request.resultBytes += values.reduce(32) { $0 + 24 + ($1?.count ?? 0) }
      isTooLarge = request.resultBytes > Self.maximumResultBytes
      request.current.rows.append(values.map { $0.map { String(decoding: $0, as: UTF8.self) } })
    }
    if isTooLarge { abandon("a result exceeds \(Self.maximumResultBytes) bytes") }
  }

  private func withRequest(_ body: (inout Request) -> Void) {
    guard firstRequest < requests.count else { return abandon("an answer that nobody asked for") }
    body(&requests[firstRequest])
  }

  private func finishRequest() {
    guard firstRequest < requests.count else { return abandon("an answer that nobody asked for") }
    let request = requests[firstRequest]
    firstRequest += 1
    if firstRequest == requests.count {
      requests.removeAll(keepingCapacity: true)
      firstRequest = 0
    }
    request.completion(request.error.map { .failure($0) } ?? .success(request.results))
  }

  private func abandon(_ reason: String) {
    transport.close(reason)
    lost(reason)
  }

  private func lost(_ reason: String) {
    guard isOpen else { return }
    closeReason = reason
    let failed = requests[firstRequest...]
    requests = []
    firstRequest = 0
    for request in failed { request.completion(.failure(request.error ?? .connectionLost(reason))) }
    onClose?(reason)
    onClose = nil
    onNotice = nil
  }
}
