/// An ordered map as a value whose versions share structure: a copy costs nothing, a change copies one path
/// (about 1.4·log2 n nodes). It is what makes "the catalog as of a timestamp" cheap with many tables.
///
/// An AVL tree (Adelson-Velsky and Landis, 1962) with immutable nodes.
public struct PersistentMap<Key: Comparable & Sendable, Value: Sendable>: Sendable {
  final class Node: Sendable {
    let key: Key
    let value: Value
    let left: Node?
    let right: Node?
    let height: Int

    init(_ key: Key, _ value: Value, _ left: Node?, _ right: Node?) {
      self.key = key
      self.value = value
      self.left = left
      self.right = right
      height = 1 + max(left?.height ?? 0, right?.height ?? 0)
    }
  }

  private var root: Node?
  public private(set) var count = 0

  public init() {}

  public var isEmpty: Bool { root == nil }

  public subscript(key: Key) -> Value? {
    get {
      var node = root
      while let current = node {
        if key < current.key {
          node = current.left
        } else if current.key < key {
          node = current.right
        } else {
          return current.value
        }
      }
      return nil
    }
    set {
      let isPresent = self[key] != nil
      if let newValue {
        root = Self.inserting(root, key, newValue)
        if !isPresent { count += 1 }
      } else if isPresent {
        root = Self.removing(root, key)
        count -= 1
      }
    }
  }

  /// The entry with the smallest key.
  public var first: (key: Key, value: Value)? {
    var node = root
    while let left = node?.left { node = left }
    return node.map { ($0.key, $0.value) }
  }

  /// The entry with the largest key.
  public var last: (key: Key, value: Value)? {
    var node = root
    while let right = node?.right { node = right }
    return node.map { ($0.key, $0.value) }
  }

  /// Every entry in ascending order of keys, as long as `body` returns true.
  public func forEach(while body: (Key, Value) -> Bool) {
    _ = Self.visit(root, body)
  }

  /// The entries in ascending order of keys.
  public var entries: [(key: Key, value: Value)] {
    var result: [(key: Key, value: Value)] = []
    result.reserveCapacity(count)
    forEach { key, value in
      result.append((key, value))
      return true
    }
    return result
  }

  /// The values in ascending order of keys.
  public var values: [Value] {
    var result: [Value] = []
    result.reserveCapacity(count)
    forEach { _, value in
      result.append(value)
      return true
    }
    return result
  }

  private static func visit(_ node: Node?, _ body: (Key, Value) -> Bool) -> Bool {
    guard let node else { return true }
    return visit(node.left, body) && body(node.key, node.value) && visit(node.right, body)
  }

  private static func inserting(_ node: Node?, _ key: Key, _ value: Value) -> Node {
    guard let node else { return Node(key, value, nil, nil) }
    if key < node.key { return balanced(node.key, node.value, inserting(node.left, key, value), node.right) }
    if node.key < key { return balanced(node.key, node.value, node.left, inserting(node.right, key, value)) }
    return Node(key, value, node.left, node.right)
  }

  private static func removing(_ node: Node?, _ key: Key) -> Node? {
    guard let node else { return nil }
    if key < node.key { return balanced(node.key, node.value, removing(node.left, key), node.right) }
    if node.key < key { return balanced(node.key, node.value, node.left, removing(node.right, key)) }
    guard let left = node.left else { return node.right }
    guard let right = node.right else { return left }
    var successor = right
    while let next = successor.left { successor = next }
    return balanced(successor.key, successor.value, left, removing(right, successor.key))
  }

  private static func height(_ node: Node?) -> Int { node?.height ?? 0 }

  private static func balanced(_ key: Key, _ value: Value, _ left: Node?, _ right: Node?) -> Node {
    if let left, height(left) > height(right) + 1 {
      if height(left.left) >= height(left.right) {
        return Node(left.key, left.value, left.left, Node(key, value, left.right, right))
      }
      if let middle = left.right {
        return Node(
          middle.key, middle.value, Node(left.key, left.value, left.left, middle.left),
          Node(key, value, middle.right, right))
      }
    }
    if let right, height(right) > height(left) + 1 {
      if height(right.right) >= height(right.left) {
        return Node(right.key, right.value, Node(key, value, left, right.left), right.right)
      }
      if let middle = right.left {
        return Node(
          middle.key, middle.value, Node(key, value, left, middle.left),
          Node(right.key, right.value, middle.right, right.right))
      }
    }
    return Node(key, value, left, right)
  }
}
