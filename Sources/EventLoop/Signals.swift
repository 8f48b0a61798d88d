import CUV
import Glibc

/// Calls a closure on the loop for each arrival of some signals.
@EventLoopActor public final class SignalSource {
  private var handles: [UnsafeMutablePointer<uv_signal_t>] = []
  private var body: (@EventLoopActor (Int32) -> Void)?

  /// Starts to catch `signals` (`SIGTERM`, `SIGINT`, …) instead of their default action.
  public init(_ signals: [Int32], _ body: @escaping @EventLoopActor (Int32) -> Void) {
    self.body = body
    for signal in signals {
      let handle = UnsafeMutablePointer<uv_signal_t>.allocate(capacity: 1)
      uv_signal_init(EventLoop.shared.raw, handle)
      handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
      uv_signal_start(
        handle,
        { handle, signal in
          guard let data = handle?.pointee.data else { return }
          let source = Unmanaged<SignalSource>.fromOpaque(data).takeUnretainedValue()
          EventLoopActor.assumeIsolated { source.body?(signal) }
        }, signal)
      handles.append(handle)
    }
  }

  /// Gives the signals their default action back.
  public func cancel() {
    body = nil
    for handle in handles { closeHandle(handle) }
    handles = []
  }
}
