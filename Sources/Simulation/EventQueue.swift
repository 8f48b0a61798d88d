import EventLoop

/// Something that happens at a moment of the simulation.
struct Event {
  /// What it happens to; nil for the network itself and for the code that drives the simulation.
  let process: SimulatedProcess?
  let kind: Kind
  /// A summary of the content (bytes that arrive), folded into the trace.
  let digest: UInt64
  let body: @EventLoopActor () -> Void

  /// In the trace by number: cases are only ever added at the end.
  enum Kind: UInt8 {
    case timer, packet, received, writable, closed, accepted, connected, refused, work, completion, control, resumed
  }
}

/// Events by time; those of equal time by a tie-break that the world draws, then in the order they were added.
struct EventQueue {
  private struct Key {
    let time: UInt64
    let tie: UInt64
    let number: UInt64

    static func < (left: Key, right: Key) -> Bool {
      if left.time != right.time { return left.time < right.time }
      if left.tie != right.tie { return left.tie < right.tie }
      return left.number < right.number
    }
  }

  /// A binary heap; keys of cancelled events stay in it until their time.
  private var heap: [Key] = []
  private var events: [UInt64: Event] = [:]
  private var lastNumber: UInt64 = 0

  var count: Int { events.count }

  mutating func add(_ event: Event, at time: UInt64, tie: UInt64) -> UInt64 {
    lastNumber += 1
    events[lastNumber] = event
    heap.append(Key(time: time, tie: tie, number: lastNumber))
    var index = heap.count - 1
    while index > 0, heap[index] < heap[(index - 1) / 2] {
      heap.swapAt(index, (index - 1) / 2)
      index = (index - 1) / 2
    }
    return lastNumber
  }

  /// Forgets an event; harmless when it has happened.
  mutating func remove(_ number: UInt64) { events[number] = nil }

  /// The next event, when it is not after `limit`.
  mutating func popFirst(until limit: UInt64) -> (time: UInt64, event: Event)? {
    while let first = heap.first, first.time <= limit {
      removeFirst()
      if let event = events.removeValue(forKey: first.number) { return (first.time, event) }
    }
    return nil
  }

  private mutating func removeFirst() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var index = 0
    while true {
      var least = index
      for child in [2 * index + 1, 2 * index + 2] where child < heap.count && heap[child] < heap[least] {
        least = child
      }
      if least == index { return }
      heap.swapAt(index, least)
      index = least
    }
  }
}
