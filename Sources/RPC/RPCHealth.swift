import EventLoop
import Wire

/// `grpc.health.v1.Health`: the status of each service of a server, and of the server as a whole (the empty name).
@EventLoopActor public final class RPCHealth {
  private var statuses: [String: ServingStatus] = ["": .serving]
  private var watchers: [Int: Watcher] = [:]
  private var nextWatcher = 0

  private struct Watcher {
    let service: String
    let stream: RPCSink<HealthCheckResponse>
    let wake: Signal
  }

  /// Sets what `Check` and `Watch` answer for a service.
  public func set(_ service: String, _ status: ServingStatus) {
    if statuses[service] == status { return }
    statuses[service] = status
    for watcher in watchers.values where watcher.service == service { watcher.wake.fire() }
  }

  public func status(_ service: String) -> ServingStatus? { statuses[service] }

  func shutDown() {
    for service in statuses.keys { set(service, .notServing) }
    for watcher in watchers.values { watcher.wake.close() }
  }

  func register(on server: RPCServer) {
    server.handleFast(HealthService.check) { [weak self] request, reply in
      guard let status = self?.statuses[request.service] else {
        return reply.fail(RPCError(.notFound, "unknown service \(request.service)"))
      }
      reply.succeed(HealthCheckResponse(status: status))
    }
    server.handleServerStream(HealthService.watch) { [weak self] request, _, sink in
      try await self?.watch(request.service, sink)
    }
  }

  private func watch(_ service: String, _ sink: RPCSink<HealthCheckResponse>) async throws {
    let number = nextWatcher
    nextWatcher += 1
    let signal = Signal()
    watchers[number] = Watcher(service: service, stream: sink, wake: signal)
    defer { watchers[number] = nil }
    var last: ServingStatus?
    repeat {
      let status = statuses[service] ?? .serviceUnknown
      if status != last { try await sink.send(HealthCheckResponse(status: status)) }
      last = status
    } while await signal.wait()
    if let status = statuses[service], status != last { _ = sink.trySend(HealthCheckResponse(status: status)) }
  }
}

/// Wakes one waiting task; remembers a wake-up that came before the wait.
@EventLoopActor final class Signal {
  private var isFired = false
  private var isClosed = false
  private var waiter: UnsafeContinuation<Void, Never>?

  func fire() {
    isFired = true
    waiter?.resume()
    waiter = nil
  }

  func close() {
    isClosed = true
    fire()
  }

  /// False when the signal is closed or the task is cancelled.
  func wait() async -> Bool {
    await withTaskCancellationHandler {
      if !isFired { await withUnsafeContinuation { waiter = $0 } }
    } onCancel: {
      EventLoop.execute { self.fire() }
    }
    isFired = false
    return !isClosed && !Task.isCancelled
  }
}
