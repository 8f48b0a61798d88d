import CUV

/// An error of the operating system or of libuv, by libuv's (negative) number.
public struct SystemError: Error, Hashable, CustomStringConvertible {
  public let code: Int32
  /// What was attempted: "listen on 127.0.0.1:7000".
  public let action: String

  public init(code: Int32, action: String) {
    self.code = code
    self.action = action
  }

  public static let timedOutCode = Int32(UV_ETIMEDOUT.rawValue)
  public static let canceledCode = Int32(UV_ECANCELED.rawValue)

  public var description: String { "cannot \(action): \(String(cString: uv_strerror(code)))" }

  static func check(_ code: Int32, _ action: @autoclosure () -> String) throws(SystemError) {
    if code < 0 { throw SystemError(code: code, action: action()) }
  }
}
