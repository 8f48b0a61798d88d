import Basics
import EventLoop
import RPC
import Wire

extension MetadataConnection {
  /// Registers and renews until stopped.
  func keepSession() async {
    while !isStopped, !isLeaving, !Task.isCancelled {
      guard let leaseMilliseconds = await register() else {
        try? await EventLoop.sleep(for: .milliseconds(200))
        continue
      }
      await renew(leaseMilliseconds: leaseMilliseconds)
    }
  }

  private func register() async -> UInt64? {
    let node = NodeInfo(
      nodeID: nodeID.rawValue, name: options.name, role: options.role, rpcAddress: options.rpcAddress,
      sqlAddress: options.sqlAddress, httpAddress: options.httpAddress,
      appliedSchemaIndex: appliedSchemaIndex.rawValue)
    do throws(RPCError) {
      let response = try await call(
        MetadataService.register, RegisterRequest(node: node, clusterID: clusterID),
        deadline: EventLoop.now.advanced(byMilliseconds: 10_000))
      if let error = response.error, !error.state.isEmpty {
        onEvent?(.registrationRefused(SQLError(error)))
        return nil
      }
      nodeID = NodeID(response.nodeID)
      clusterID = response.clusterID
      sessionEpoch = SessionEpoch(response.sessionEpoch)
      if let sessionEpoch { onEvent?(.registered(nodeID, sessionEpoch)) }
      for observer in sessionStartedObservers { observer() }
      acknowledgeNow()
      return max(100, response.leaseMilliseconds)
    } catch {
      if !isStopped { onEvent?(.registrationFailed("\(error)")) }
      return nil
    }
  }

  /// Returns when the session is gone.
  private func renew(leaseMilliseconds: UInt64) async {
    var lease = leaseMilliseconds
    while !isStopped, !Task.isCancelled, let epoch = sessionEpoch {
      do { try await EventLoop.sleep(for: .milliseconds(Int64(min(lease, 1 << 30) / 3))) } catch { return }
      if sessionEpoch != epoch { return }
      let request = RenewRequest(
        nodeID: nodeID.rawValue, sessionEpoch: epoch.rawValue, appliedSchemaIndex: appliedSchemaIndex.rawValue,
        oldestStartTimestamp: pins.oldestStart?.rawValue ?? 0, resolvedTimestamp: resolvedTimestamp?().rawValue ?? 0)
      do throws(RPCError) {
        let response = try await call(
          MetadataService.renew, request, deadline: EventLoop.now.advanced(byMilliseconds: lease))
        if sessionEpoch != epoch { return }
        if !response.isLive { return endSession(epoch) }
        lease = max(100, response.leaseMilliseconds)
        if response.versionSafePoint > 0 { onSafePoints?(SafePointAdvice(response)) }
        watchLeader()
      } catch {
        if !isStopped { onEvent?(.renewalFailed("\(error)")) }
      }
    }
  }

  /// The metadata service does not know the session any more: everything that stood on it ends.
  func endSession(_ epoch: SessionEpoch) {
    guard sessionEpoch == epoch else { return }
    sessionEpoch = nil
    onEvent?(.sessionLost(epoch))
    for observer in sessionLostObservers { observer() }
    sessionTask?.cancel()
    sessionTask = Task { @EventLoopActor [weak self] in await self?.keepSession() }
  }
}
