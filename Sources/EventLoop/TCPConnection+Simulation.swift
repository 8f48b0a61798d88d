/// A connection over a simulated socket, which holds it until it is closed.
extension TCPConnection: SimulatedSocketOwner {
  convenience init(simulated socket: any SimulatedSocket) {
    self.init(.simulated(socket), remoteEndpoint: socket.remoteEndpoint)
    socket.owner = self
  }

  func flush(_ socket: any SimulatedSocket) {
    while let block = outgoing.blocks.first, outgoing.count > 0 {
      let bytes = UnsafeRawBufferPointer(start: block.base + block.start, count: block.end - block.start)
      let taken = socket.write(bytes)
      outgoing.removeFirst(taken)
      if taken < bytes.count { break }
    }
    noteProgress()
  }

  public func socketReceived(_ bytes: UnsafeRawBufferPointer) { onRead?(bytes) }
  public func socketBecameWritable() { flush() }
  public func socketClosed(_ reason: CloseReason) { finish(reason) }
}
