/// Appends client messages to one buffer (the other side of `FrontendDecoder`).
public struct FrontendWriter: Sendable {
  public var bytes: [UInt8] = []

  public init() {}

  public mutating func take() -> [UInt8] {
    var taken: [UInt8] = []
    swap(&taken, &bytes)
    return taken
  }

  public mutating func startup(_ parameters: StartupParameters) {
    framed(nil) {
      $0.write(UInt32(3) << 16 | UInt32(parameters.minorVersion))
      for parameter in parameters.parameters {
        $0.write(parameter.name)
        $0.write(parameter.value)
      }
      $0.bytes.append(0)
    }
  }

  public mutating func sslRequest() { framed(nil) { $0.write(80_877_103 as UInt32) } }

  public mutating func cancel(processID: UInt32, secretKey: UInt32) {
    framed(nil) {
      $0.write(80_877_102 as UInt32)
      $0.write(processID)
      $0.write(secretKey)
    }
  }

  public mutating func query(_ text: String) { framed("Q") { $0.write(text) } }

  public mutating func parse(_ parse: FrontendMessage.Parse) {
    framed("P") {
      $0.write(parse.name)
      $0.write(parse.text)
      $0.write(UInt16(truncatingIfNeeded: parse.parameterTypes.count))
      for type in parse.parameterTypes { $0.write(type) }
    }
  }

  public mutating func bind(_ bind: FrontendMessage.Bind) {
    framed("B") {
      $0.write(bind.portal)
      $0.write(bind.statement)
      $0.write(UInt16(truncatingIfNeeded: bind.parameterFormats.count))
      for format in bind.parameterFormats { $0.write(UInt16(bitPattern: format.rawValue)) }
      $0.write(UInt16(truncatingIfNeeded: bind.parameters.count))
      for parameter in bind.parameters {
        guard let parameter else {
          $0.write(UInt32.max)
          continue
        }
        $0.write(UInt32(truncatingIfNeeded: parameter.count))
        $0.bytes.append(contentsOf: parameter)
      }
      $0.write(UInt16(truncatingIfNeeded: bind.resultFormats.count))
      for format in bind.resultFormats { $0.write(UInt16(bitPattern: format.rawValue)) }
    }
  }

  public mutating func describe(_ target: StatementOrPortal) { framed("D") { $0.write(target) } }
  public mutating func close(_ target: StatementOrPortal) { framed("C") { $0.write(target) } }

  public mutating func execute(portal: String, rowLimit: Int = 0) {
    framed("E") {
      $0.write(portal)
      $0.write(UInt32(truncatingIfNeeded: rowLimit))
    }
  }

  public mutating func sync() { framed("S") { _ in } }
  public mutating func flush() { framed("H") { _ in } }
  public mutating func terminate() { framed("X") { _ in } }

  private mutating func framed(_ kind: Unicode.Scalar?, _ body: (inout FrontendWriter) -> Void) {
    if let kind { bytes.append(UInt8(truncatingIfNeeded: kind.value)) }
    let start = bytes.count
    write(0 as UInt32)
    body(&self)
    let length = UInt32(truncatingIfNeeded: bytes.count - start)
    for offset in 0..<4 { bytes[start + offset] = UInt8(truncatingIfNeeded: length >> UInt32(24 - 8 * offset)) }
  }

  private mutating func write(_ value: UInt16) {
    bytes.append(UInt8(truncatingIfNeeded: value >> 8))
    bytes.append(UInt8(truncatingIfNeeded: value))
  }

  private mutating func write(_ value: UInt32) {
    for offset in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * offset))) }
  }

  private mutating func write(_ text: String) {
    bytes.append(contentsOf: text.utf8.prefix { $0 != 0 })
    bytes.append(0)
  }

  private mutating func write(_ target: StatementOrPortal) {
    switch target {
    case .statement(let name):
      bytes.append(UInt8(ascii: "S"))
      write(name)
    case .portal(let name):
      bytes.append(UInt8(ascii: "P"))
      write(name)
    }
  }
}
