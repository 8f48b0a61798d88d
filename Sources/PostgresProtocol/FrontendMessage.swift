/// What a client says after start-up (PostgreSQL 15, 55.7 "Message Formats").
public enum FrontendMessage: Hashable, Sendable {
  /// Simple query: zero or more statements separated by semicolons.
  case query(String)
  case parse(Parse)
  case bind(Bind)
  case describe(StatementOrPortal)
  /// `rowLimit` 0 means all rows.
  case execute(portal: String, rowLimit: Int)
  case close(StatementOrPortal)
  case sync
  case flush
  case terminate
  /// The fast-path function call, which this server does not offer.
  case functionCall
  /// Leftovers of a COPY; ignored outside of one, as PostgreSQL does.
  case copyData
  case copyDone
  case copyFail
  case password([UInt8])

  public struct Parse: Hashable, Sendable {
    /// Empty: the unnamed statement.
    public var name: String
    public var text: String
    /// Type object ids; 0 leaves a parameter's type to the server.
    public var parameterTypes: [UInt32]

    public init(name: String, text: String, parameterTypes: [UInt32]) {
      self.name = name
      self.text = text
      self.parameterTypes = parameterTypes
    }
  }

  public struct Bind: Hashable, Sendable {
    public var portal: String
    public var statement: String
    public var parameterFormats: [ValueFormat]
    /// nil is NULL.
    public var parameters: [ArraySlice<UInt8>?]
    public var resultFormats: [ValueFormat]

    public init(
      portal: String, statement: String, parameterFormats: [ValueFormat], parameters: [ArraySlice<UInt8>?],
      resultFormats: [ValueFormat]
    ) {
      self.portal = portal
      self.statement = statement
      self.parameterFormats = parameterFormats
      self.parameters = parameters
      self.resultFormats = resultFormats
    }

    /// The format of parameter `position`: none given means text for all, one given holds for all.
    public func parameterFormat(at position: Int) -> ValueFormat { Self.format(parameterFormats, at: position) }
    public func resultFormat(at position: Int) -> ValueFormat { Self.format(resultFormats, at: position) }

    static func format(_ formats: [ValueFormat], at position: Int) -> ValueFormat {
      switch formats.count {
      case 0: .text
      case 1: formats[0]
      default: position < formats.count ? formats[position] : .text
      }
    }
  }
}

/// What Describe and Close name.
public enum StatementOrPortal: Hashable, Sendable {
  case statement(String)
  case portal(String)
}

public enum ValueFormat: Int16, Hashable, Sendable {
  case text = 0
  case binary = 1
}

/// The parameters of a start-up message.
public struct StartupParameters: Hashable, Sendable {
  /// 3 for every client this server accepts; the minor version may be above what the server speaks.
  public var minorVersion: UInt16
  public var parameters: [Parameter]

  public struct Parameter: Hashable, Sendable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  public init(minorVersion: UInt16 = 0, parameters: [Parameter]) {
    self.minorVersion = minorVersion
    self.parameters = parameters
  }

  public subscript(name: String) -> String? { parameters.last { $0.name == name }?.value }

  /// Protocol options (`_pq_.…`) that the server must refuse by name.
  public var protocolOptions: [String] { parameters.map(\.name).filter { $0.hasPrefix("_pq_.") } }
}

/// What opens a connection.
public enum StartupMessage: Hashable, Sendable {
  /// SSLRequest or GSSENCRequest: answered with one byte.
  case encryptionRequest
  case cancel(processID: UInt32, secretKey: UInt32)
  case startup(StartupParameters)
}
