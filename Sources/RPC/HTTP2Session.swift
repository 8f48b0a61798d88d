import Basics
import CNghttp2
import EventLoop

/// Whom a session tells what concerns the whole connection.
@EventLoopActor protocol HTTP2SessionOwner: AnyObject {
  /// Server: a stream the other side opened. Nil refuses it.
  func openedStream() -> HTTP2Stream?
  /// The other side's first SETTINGS frame is here: it speaks HTTP/2.
  func becameReady()
  /// The other side takes no new streams on this connection.
  func receivedGoAway(_ code: UInt32)
  func closed(_ reason: String)
}

/// An HTTP/2 connection of either side: nghttp2 between a TCP connection and streams.
///
/// Happy path: bytes → `nghttp2_session_mem_recv` → callbacks → streams; submitted frames → `flush` at the end of the
/// turn → `nghttp2_session_mem_send` → one write. Failure: any protocol violation closes the connection with a reason,
/// and every stream hears `closed`.
@EventLoopActor final class HTTP2Session {
  struct Limits {
    var initialStreamWindowBytes: Int32 = 1 << 20
    var connectionWindowBytes: Int32 = 16 << 20
    var maximumConcurrentStreams: UInt32 = 4096
    /// Bytes of incomplete messages on all streams of a connection.
    var bufferedBytes = 256 << 20
    var headerListBytes: UInt32 = 64 << 10
    var keepaliveInterval: Duration = .seconds(2)
    var keepaliveTimeout: Duration = .seconds(4)
    /// From accept to the other side's SETTINGS.
    var handshakeTimeout: Duration = .seconds(10)
    init() {}
  }

  var raw: OpaquePointer?
  let connection: TCPConnection
  let limits: Limits
  private weak var owner: (any HTTP2SessionOwner)?
  private(set) var streams: [Int32: HTTP2Stream] = [:]
  private let isServer: Bool

  private(set) var isReady = false
  /// No new streams: GOAWAY was sent or received, or the stream numbers ran out.
  private(set) var isDraining = false
  private var isFlushScheduled = false
  private var isProcessing = false
  private var closeReason: String?
  private var bufferedBytes = 0
  private var keepalive: Timer?
  private var handshake: Timer?
  private var lastReceived = EventLoop.now
  /// When a ping went out that nothing has followed yet: any byte is a sign of life.
  private var pingSent: MonotonicTime?

  init(server isServer: Bool, _ connection: TCPConnection, limits: Limits, owner: any HTTP2SessionOwner) {
    self.isServer = isServer
    self.connection = connection
    self.limits = limits
    self.owner = owner
    var options: OpaquePointer?
    nghttp2_option_new(&options)
    nghttp2_option_set_no_auto_window_update(options, 1)
    nghttp2_option_set_no_closed_streams(options, 1)
    // Deadlines and cancellation reset many streams on a busy connection; the default is meant for browsers.
    nghttp2_option_set_stream_reset_rate_limit(options, 100_000, 20_000)
    let context = Unmanaged.passUnretained(self).toOpaque()
    var session: OpaquePointer?
    let code =
      isServer
      ? nghttp2_session_server_new2(&session, HTTP2Callbacks.shared, context, options)
      : nghttp2_session_client_new2(&session, HTTP2Callbacks.shared, context, options)
    nghttp2_option_del(options)
    precondition(code == 0, "no memory for an HTTP/2 session")
    raw = session
    start()
  }

  private func start() {
    let windowSetting = nghttp2_settings_entry(
      settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: UInt32(limits.initialStreamWindowBytes))
    let headerSetting = nghttp2_settings_entry(
      settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: limits.headerListBytes)
    let ownSetting =
      isServer
      ? nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), value: limits.maximumConcurrentStreams)
      : nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0)
    let settings = [windowSetting, headerSetting, ownSetting]
    nghttp2_submit_settings(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), settings, settings.count)
    nghttp2_session_set_local_window_size(
      raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, limits.connectionWindowBytes)
    connection.onRead = { [weak self] in self?.received($0) }
    connection.onDrain = { [weak self] in self?.scheduleFlush() }
    // The connection keeps the session alive until it is closed.
    connection.onClose = { self.connectionClosed($0) }
    handshake = Timer.once(after: limits.handshakeTimeout) { [weak self] in
      guard let self, !self.isReady else { return }
      self.close("no HTTP/2 preface within \(self.limits.handshakeTimeout)")
    }
    keepalive = Timer.repeating(every: limits.keepaliveInterval) { [weak self] in self?.checkKeepalive() }
    scheduleFlush()
  }

  // MARK: - Streams

  /// Opens a stream. False when the connection takes none: the caller must use another one.
  func submit(
    _ stream: HTTP2Stream, _ fields: UnsafePointer<nghttp2_nv>?, _ count: Int
  ) -> Bool {
    guard let raw, !isDraining, closeReason == nil else { return false }
    var provider = Self.provider(for: stream)
    let id = nghttp2_submit_request(
      raw, nil, fields, count, &provider, Unmanaged.passUnretained(stream).toOpaque())
    if id < 0 {
      // The stream numbers have run out, or the peer has said goodbye.
      isDraining = true
      return false
    }
    attach(stream, id)
    scheduleFlush()
    return true
  }

  func respond(_ stream: HTTP2Stream, _ fields: UnsafePointer<nghttp2_nv>?, _ count: Int, hasBody: Bool) {
    guard let raw else { return }
    var provider = Self.provider(for: stream)
    if hasBody {
      nghttp2_submit_response(raw, stream.id, fields, count, &provider)
    } else {
      nghttp2_submit_response(raw, stream.id, fields, count, nil)
    }
    scheduleFlush()
  }

  func submitTrailers(_ stream: HTTP2Stream, _ fields: UnsafePointer<nghttp2_nv>?, _ count: Int) {
    guard let raw else { return }
    nghttp2_submit_trailer(raw, stream.id, fields, count)
    scheduleFlush()
  }

  func reset(_ stream: HTTP2Stream, _ code: nghttp2_error_code) {
    guard let raw else { return }
    nghttp2_submit_rst_stream(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, code.rawValue)
    scheduleFlush()
  }

  private static func provider(for stream: HTTP2Stream) -> nghttp2_data_provider {
    var provider = nghttp2_data_provider()
    provider.source.ptr = Unmanaged.passUnretained(stream).toOpaque()
    provider.read_callback = HTTP2Callbacks.readData
    return provider
  }

  private func attach(_ stream: HTTP2Stream, _ id: Int32) {
    stream.id = id
    stream.session = self
    streams[id] = stream
  }

  func opened(_ id: Int32) -> Bool {
    guard let stream = owner?.openedStream() else { return false }
    attach(stream, id)
    nghttp2_session_set_stream_user_data(raw, id, Unmanaged.passUnretained(stream).toOpaque())
    return true
  }

  func streamClosed(_ id: Int32, _ code: UInt32) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    detach(stream, code, "")
    if isDraining, streams.isEmpty { scheduleFlush() }
  }

  private func detach(_ stream: HTTP2Stream, _ code: UInt32?, _ reason: String) {
    bufferedBytes -= stream.accountedBytes
    stream.session = nil
    stream.closed(code, reason)
  }

  /// Notes how many bytes of an incomplete message a stream holds. False: too many on this connection.
  func account(_ stream: HTTP2Stream, _ bytes: Int) -> Bool {
    bufferedBytes += bytes - stream.accountedBytes
    stream.accountedBytes = bytes
    return bufferedBytes <= limits.bufferedBytes
  }

  // MARK: - Bytes

  private func received(_ bytes: UnsafeRawBufferPointer) {
    guard let raw else { return }
    lastReceived = EventLoop.now
    pingSent = nil
    isProcessing = true
    let used = nghttp2_session_mem_recv(raw, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
    isProcessing = false
    if used < 0 {
      closeReason = closeReason ?? String(cString: nghttp2_strerror(Int32(truncatingIfNeeded: used)))
    }
    if closeReason != nil { closeNow() } else { scheduleFlush() }
  }

  /// Sends what nghttp2 has queued at the end of the turn.
  func scheduleFlush() {
    if isFlushScheduled || raw == nil { return }
    isFlushScheduled = true
    EventLoop.endOfTurn {
      self.isFlushScheduled = false
      self.flush()
    }
  }

  private func flush() {
    guard let raw, closeReason == nil else { return }
    // What the socket does not take stays in the streams' bounded queues.
    isProcessing = true
    while connection.isWritable {
      var data: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(raw, &data)
      if count < 0 { closeReason = closeReason ?? String(cString: nghttp2_strerror(Int32(truncatingIfNeeded: count))) }
      if count <= 0 { break }
      connection.write(UnsafeRawBufferPointer(start: data, count: count))
    }
    isProcessing = false
    if closeReason != nil {
      closeNow()
    } else if isDraining, streams.isEmpty, nghttp2_session_want_write(raw) == 0 {
      connection.closeAfterWriting("drained")
    } else if nghttp2_session_want_read(raw) == 0, nghttp2_session_want_write(raw) == 0 {
      connection.closeAfterWriting("HTTP/2 session ended")
    }
  }

  // MARK: - Frames of the connection

  func receivedSettings() {
    if isReady { return }
    isReady = true
    handshake?.cancel()
    handshake = nil
    owner?.becameReady()
  }

  func goAwayArrived(_ code: UInt32) {
    isDraining = true
    owner?.receivedGoAway(code)
    scheduleFlush()
  }

  /// Refuses new streams and lets the running ones finish; the connection closes after the last.
  func goAway() {
    guard let raw, !isDraining else { return }
    isDraining = true
    nghttp2_submit_goaway(
      raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), nghttp2_session_get_last_proc_stream_id(raw),
      NGHTTP2_NO_ERROR.rawValue, nil, 0)
    scheduleFlush()
  }

  /// Lets the running calls of a client finish, then closes.
  func drain() {
    isDraining = true
    scheduleFlush()
  }

  private func checkKeepalive() {
    guard let raw else { return }
    let now = EventLoop.now
    let silence = now.milliseconds(since: lastReceived)
    if silence < limits.keepaliveInterval.wholeMilliseconds { return }
    guard let pingSent else {
      self.pingSent = now
      nghttp2_submit_ping(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
      scheduleFlush()
      return
    }
    if now.milliseconds(since: pingSent) + 1 < limits.keepaliveTimeout.wholeMilliseconds { return }
    // After a pause of this process the answer may be waiting in the socket: look there before giving up.
    Timer.once(after: .milliseconds(50)) { [weak self] in
      guard let self, self.raw != nil, self.pingSent == pingSent else { return }
      self.close("keepalive: no sign of life for \(EventLoop.now.milliseconds(since: self.lastReceived)) ms")
    }
  }

  // MARK: - End

  /// Closes the connection; every stream hears of it.
  func close(_ reason: String) {
    if closeReason == nil { closeReason = reason }
    if !isProcessing { closeNow() }
  }

  private func closeNow() {
    // What nghttp2 wants to say about a violation (GOAWAY with its code) goes out if the socket takes it.
    if let raw, connection.isWritable {
      var data: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(raw, &data)
      if count > 0 { connection.write(UnsafeRawBufferPointer(start: data, count: count)) }
    }
    tearDown(closeReason ?? "closed")
    connection.closeAfterWriting(closeReason ?? "closed")
    // A peer that reads nothing must not keep the socket.
    Timer.once(after: .seconds(1)) { self.connection.close("closed") }
  }

  private func connectionClosed(_ reason: CloseReason) {
    tearDown(closeReason ?? reason.description)
    connection.onClose = nil
  }

  private func tearDown(_ reason: String) {
    guard let raw else { return }
    self.raw = nil
    isDraining = true
    keepalive?.cancel()
    handshake?.cancel()
    connection.onRead = nil
    connection.onDrain = nil
    let streams = self.streams.sorted { $0.key < $1.key }
    self.streams = [:]
    for (_, stream) in streams { detach(stream, nil, reason) }
    nghttp2_session_del(raw)
    owner?.closed(reason)
  }
}

// MARK: - Data frames, called by nghttp2

extension HTTP2Session {
  /// NGHTTP2_ERR_DEFERRED when there is nothing to send yet.
  func prepareData(_ stream: HTTP2Stream, _ limit: Int, _ flags: UnsafeMutablePointer<UInt32>?) -> Int {
    guard let (count, isLast) = stream.prepareData(limit) else { return Int(NGHTTP2_ERR_DEFERRED.rawValue) }
    var wanted = NGHTTP2_DATA_FLAG_NO_COPY.rawValue
    if isLast {
      wanted |= NGHTTP2_DATA_FLAG_EOF.rawValue
      if !stream.endsStreamWithData() { wanted |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue }
    }
    flags?.pointee |= wanted
    return count
  }

  func sendData(_ stream: HTTP2Stream, _ header: UnsafePointer<UInt8>, _ count: Int) {
    connection.write(UnsafeRawBufferPointer(start: header, count: 9))
    stream.writeData(count, to: connection)
  }
}
