/// The operations of one key that have been called and have not returned.
///
/// Those of unknown outcome stay for ever. Of several that nobody can tell apart only the first is a candidate.
struct PendingOperations {
  /// What makes unknown operations interchangeable: their kind, if no operation names the value they would write.
  private enum Class: Hashable {
    case own(Int)
    case update
    case insert
    case delete
    case compareAndSet(expected: Int)
  }

  let operations: [Operation<RegisterAction>]
  private let classes: [Int: Class]
  private var known: [Int] = []
  /// Ascending within each class.
  private var unknown: [(kind: Class, members: [Int])] = []

  init(_ operations: [Operation<RegisterAction>]) {
    self.operations = operations
    var named: Set<Int> = []
    for operation in operations {
      switch operation.action.kind {
      case .read(let value): if let value { named.insert(value) }
      case .compareAndSet(let expected, _): named.insert(expected)
      case .update, .insert, .delete: break
      }
    }
    var classes: [Int: Class] = [:]
    for (position, operation) in operations.enumerated() where !operation.outcome.isOK {
      classes[position] =
        switch operation.action.kind {
        case .update(let value): named.contains(value) ? .own(position) : .update
        case .insert(let value): named.contains(value) ? .own(position) : .insert
        case .compareAndSet(let expected, let value):
          named.contains(value) ? .own(position) : .compareAndSet(expected: expected)
        case .delete: .delete
        case .read: .own(position)
        }
    }
    self.classes = classes
  }

  mutating func add(_ operation: Int) {
    guard let kind = classes[operation] else {
      known.append(operation)
      return
    }
    if let place = unknown.firstIndex(where: { $0.kind == kind }) {
      unknown[place].members.append(operation)
    } else {
      unknown.append((kind, [operation]))
    }
  }

  mutating func remove(_ operation: Int) {
    guard let kind = classes[operation] else {
      known.removeAll { $0 == operation }
      return
    }
    guard let place = unknown.firstIndex(where: { $0.kind == kind }) else { return }
    unknown[place].members.removeAll { $0 == operation }
    if unknown[place].members.isEmpty { unknown.remove(at: place) }
  }

  var all: [Int] { known + unknown.flatMap(\.members) }

  /// What may come next, when `ordered` are in order already.
  func candidates(besides ordered: [Int]) -> [Int] {
    known.filter { !ordered.contains($0) }
      + unknown.compactMap { group in group.members.first { !ordered.contains($0) } }
  }
}
