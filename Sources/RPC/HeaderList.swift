import CNghttp2

/// Header fields for nghttp2, which wants pointers: fixed ones point at the program's constants, others into `bytes`.
struct HeaderList {
  private struct Field {
    var name: Piece
    var value: Piece
  }
  private enum Piece {
    case fixed(StaticString)
    case range(Int, Int)
  }

  private var fields: [Field] = []
  private var bytes: [UInt8] = []

  mutating func add(_ name: StaticString, _ value: StaticString) {
    fields.append(Field(name: .fixed(name), value: .fixed(value)))
  }

  mutating func add(_ name: StaticString, _ value: some Collection<UInt8>) {
    fields.append(Field(name: .fixed(name), value: keep(value)))
  }

  /// Names and values that HTTP/2 forbids are left out.
  mutating func add(_ metadata: RPCMetadata) {
    for (name, value) in metadata.sorted(by: { $0.key < $1.key }) where Self.isValid(name: name, value: value) {
      fields.append(Field(name: keep(name.utf8), value: keep(value.utf8)))
    }
  }

  static func isValid(name: String, value: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(":") && !name.hasPrefix("grpc-")
      && name.utf8.allSatisfy {
        ($0 >= 0x61 && $0 <= 0x7a) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2d || $0 == 0x5f || $0 == 0x2e
      } && value.utf8.allSatisfy { $0 >= 0x20 && $0 <= 0x7e }
  }

  private mutating func keep(_ value: some Collection<UInt8>) -> Piece {
    let start = bytes.count
    bytes.append(contentsOf: value)
    return .range(start, bytes.count - start)
  }

  /// The fields, valid during `body`; nghttp2 copies those that are not fixed.
  func withFields<Result>(_ body: (UnsafePointer<nghttp2_nv>?, Int) -> Result) -> Result {
    bytes.withUnsafeBufferPointer { bytes in
      withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: fields.count) { list in
        for (index, field) in fields.enumerated() {
          var flags = NGHTTP2_NV_FLAG_NONE.rawValue
          if case .fixed = field.name { flags |= NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue }
          if case .fixed = field.value { flags |= NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue }
          let name = Self.pointer(field.name, bytes)
          let value = Self.pointer(field.value, bytes)
          list[index] = nghttp2_nv(
            name: name.0, value: value.0, namelen: name.1, valuelen: value.1, flags: UInt8(truncatingIfNeeded: flags))
        }
        return body(UnsafePointer(list.baseAddress), fields.count)
      }
    }
  }

  private static func pointer(
    _ piece: Piece, _ bytes: UnsafeBufferPointer<UInt8>
  ) -> (UnsafeMutablePointer<UInt8>?, Int) {
    switch piece {
    case .fixed(let text): (UnsafeMutablePointer(mutating: text.utf8Start), text.utf8CodeUnitCount)
    case .range(let start, let count): (bytes.baseAddress.map { UnsafeMutablePointer(mutating: $0 + start) }, count)
    }
  }
}

extension nghttp2_nv {
  /// A field of constants.
  init(_ name: StaticString, _ value: StaticString) {
    let flags = NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue
    self.init(
      name: UnsafeMutablePointer(mutating: name.utf8Start), value: UnsafeMutablePointer(mutating: value.utf8Start),
      namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount, flags: UInt8(truncatingIfNeeded: flags))
  }
}
