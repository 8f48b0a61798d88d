import CNghttp2
import EventLoop

/// nghttp2's callbacks: they run on the loop within `mem_recv` and `mem_send`, and only find the Swift object.
enum HTTP2Callbacks {
  nonisolated(unsafe) static let shared: OpaquePointer? = {
    var callbacks: OpaquePointer?
    nghttp2_session_callbacks_new(&callbacks)
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, beginHeaders)
    nghttp2_session_callbacks_set_on_header_callback(callbacks, headerReceived)
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frameReceived)
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, dataReceived)
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, streamClosed)
    nghttp2_session_callbacks_set_send_data_callback(callbacks, sendData)
    return callbacks
  }()

  private static func session(_ context: UnsafeMutableRawPointer?) -> HTTP2Session? {
    context.map { Unmanaged<HTTP2Session>.fromOpaque($0).takeUnretainedValue() }
  }

  private static func stream(_ raw: OpaquePointer?, _ id: Int32) -> HTTP2Stream? {
    nghttp2_session_get_stream_user_data(raw, id).map {
      Unmanaged<HTTP2Stream>.fromOpaque($0).takeUnretainedValue()
    }
  }

  private static let beginHeaders: nghttp2_on_begin_headers_callback = { raw, frame, context in
    guard let frame, let session = session(context), frame.pointee.hd.type == NGHTTP2_HEADERS.rawValue,
      frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
    else { return 0 }
    let id = frame.pointee.hd.stream_id
    let taken = EventLoopActor.assumeIsolated { session.opened(id) }
    return taken ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
  }

  private static let headerReceived: nghttp2_on_header_callback = {
    raw, frame, name, nameLength, value, valueLength, _, context in
    guard let frame, let stream = stream(raw, frame.pointee.hd.stream_id) else { return 0 }
    nonisolated(unsafe) let field = UnsafeBufferPointer(start: name, count: nameLength)
    nonisolated(unsafe) let content = UnsafeBufferPointer(start: value, count: valueLength)
    EventLoopActor.assumeIsolated { stream.receivedHeader(field, content) }
    return 0
  }

  private static let frameReceived: nghttp2_on_frame_recv_callback = { raw, frame, context in
    guard let frame, let session = session(context) else { return 0 }
    let hasEnded = frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    switch UInt32(frame.pointee.hd.type) {
    case NGHTTP2_HEADERS.rawValue:
      guard let stream = stream(raw, frame.pointee.hd.stream_id) else { return 0 }
      EventLoopActor.assumeIsolated {
        stream.receivedHeaders()
        if hasEnded { stream.receivedEnd() }
      }
    case NGHTTP2_DATA.rawValue:
      guard hasEnded, let stream = stream(raw, frame.pointee.hd.stream_id) else { return 0 }
      EventLoopActor.assumeIsolated { stream.receivedEnd() }
    case NGHTTP2_SETTINGS.rawValue:
      if frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 {
        EventLoopActor.assumeIsolated { session.receivedSettings() }
      }
    case NGHTTP2_GOAWAY.rawValue:
      let code = frame.pointee.goaway.error_code
      EventLoopActor.assumeIsolated { session.goAwayArrived(code) }
    default: break
    }
    return 0
  }

  private static let dataReceived: nghttp2_on_data_chunk_recv_callback = { raw, _, id, data, count, _ in
    // The connection's window is opened at once: one slow reader must not hold up the others.
    nghttp2_session_consume_connection(raw, count)
    guard let stream = stream(raw, id) else {
      nghttp2_session_consume_stream(raw, id, count)
      return 0
    }
    nonisolated(unsafe) let bytes = UnsafeRawBufferPointer(start: data, count: count)
    EventLoopActor.assumeIsolated { stream.receivedData(bytes) }
    return 0
  }

  private static let streamClosed: nghttp2_on_stream_close_callback = { _, id, code, context in
    guard let session = session(context) else { return 0 }
    EventLoopActor.assumeIsolated { session.streamClosed(id, code) }
    return 0
  }

  static let readData: nghttp2_data_source_read_callback = { _, _, _, limit, flags, source, context in
    guard let session = session(context), let pointer = source?.pointee.ptr else {
      return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
    }
    let stream = Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
    nonisolated(unsafe) let dataFlags = flags
    return EventLoopActor.assumeIsolated { session.prepareData(stream, limit, dataFlags) }
  }

  private static let sendData: nghttp2_send_data_callback = { _, _, header, count, source, context in
    guard let session = session(context), let pointer = source?.pointee.ptr, let header else {
      return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
    }
    let stream = Unmanaged<HTTP2Stream>.fromOpaque(pointer).takeUnretainedValue()
    nonisolated(unsafe) let frameHeader = header
    EventLoopActor.assumeIsolated { session.sendData(stream, frameHeader, count) }
    return 0
  }
}
