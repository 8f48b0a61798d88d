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
    /// Grows with every event; its low bits are the event's slot.
    let number: UInt64

    static func < (left: Key, right: Key) -> Bool {
      if left.time != right.time { return left.time < right.time }
      if left.tie != right.tie { return left.tie < right.tie }
      return left.number < right.number
    }
  }

  private struct Slot {
    var number: UInt64
    var event: Event?
  }

  private static let slotBits: UInt64 = 24

  /// A binary heap. Keys of cancelled events stay in it until their time, or until they are most of it.
  private var heap: [Key] = []
  private var slots: [Slot] = []
  private var freeSlots: [Int] = []
  private var lastNumber: UInt64 = 0
  /// Events that wait.
  private(set) var count = 0

  mutating func add(_ event: Event, at time: UInt64, tie: UInt64) -> UInt64 {
    let slot = freeSlots.popLast() ?? slots.count
    precondition(slot < 1 << Self.slotBits, "too many events wait")
    lastNumber += 1
    let number = lastNumber << Self.slotBits | UInt64(slot)
    if slot == slots.count {
      slots.append(Slot(number: number, event: event))
    } else {
      slots[slot] = Slot(number: number, event: event)
    }
    count += 1
    insert(Key(time: time, tie: tie, number: number))
    return number
  }

  /// Forgets an event; harmless when it has happened.
  mutating func remove(_ number: UInt64) {
    if take(number) != nil, heap.count > 64, heap.count > 2 * count { forgetCancelled() }
  }

  /// The next event, when it is not after `limit`.
  mutating func popFirst(until limit: UInt64) -> (time: UInt64, event: Event)? {
    while let first = heap.first, first.time <= limit {
      removeFirst()
      if let event = take(first.number) { return (first.time, event) }
    }
    return nil
  }

  private mutating func take(_ number: UInt64) -> Event? {
    let slot = Int(number & (1 << Self.slotBits - 1))
    guard slot < slots.count, slots[slot].number == number else { return nil }
    slots[slot].number = 0
    freeSlots.append(slot)
    count -= 1
    return slots[slot].event.take()
  }

  // MARK: - The heap

  private mutating func insert(_ key: Key) {
    heap.append(key)
    heap.withUnsafeMutableBufferPointer { heap in
      var index = heap.count - 1
      while index > 0, key < heap[(index - 1) / 2] {
        heap[index] = heap[(index - 1) / 2]
        index = (index - 1) / 2
      }
      heap[index] = key
    }
  }

  private mutating func removeFirst() {
    let last = heap.removeLast()
    heap.withUnsafeMutableBufferPointer { heap in
      if !heap.isEmpty { Self.sink(last, from: 0, in: heap) }
    }
  }

  /// Puts `key` at `start` or below, where the heap is in order.
  private static func sink(_ key: Key, from start: Int, in heap: UnsafeMutableBufferPointer<Key>) {
    var index = start
    while true {
      var child = 2 * index + 1
      if child >= heap.count { break }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < key else { break }
      heap[index] = heap[child]
      index = child
    }
    heap[index] = key
  }

  private mutating func forgetCancelled() {
    heap.removeAll { slots[Int($0.number & (1 << Self.slotBits - 1))].number != $0.number }
    heap.withUnsafeMutableBufferPointer { heap in
      for index in (0..<heap.count / 2).reversed() { Self.sink(heap[index], from: index, in: heap) }
    }
  }
}
