import Basics
import Testing

@testable import MetadataNode

struct ReplicaSearchTests {
  private let replicas: [NodeID] = [NodeID(1), NodeID(2), NodeID(3)]

  @Test func whoHasLeftIsNotAsked() {
    var search = ReplicaSearch(replicas)
    #expect(search.next { $0 != NodeID(1) } == NodeID(2))
    #expect(search.failed(hint: nil, hasProgressed: false) == 100)
    #expect(search.next { $0 != NodeID(1) } == NodeID(3))
    #expect(search.failed(hint: nil, hasProgressed: false) == 100)
    #expect(search.next { $0 != NodeID(1) } == NodeID(2))
    // Nobody is there: then it is tried all the same.
    #expect(search.next { _ in false } == NodeID(2))
    var empty = ReplicaSearch([])
    #expect(empty.next { _ in true } == nil)
  }

  @Test func hintsAreFollowedButNotForEver() {
    var search = ReplicaSearch(replicas)
    var rests: [Int64] = []
    var asked: [NodeID?] = []
    for _ in 0..<8 {
      let node = search.next { _ in true }
      asked.append(node)
      rests.append(search.failed(hint: node == NodeID(2) ? NodeID(3) : NodeID(2), hasProgressed: false))
    }
    #expect(asked.prefix(4) == [NodeID(1), NodeID(2), NodeID(3), NodeID(2)])
    #expect(rests.prefix(3) == [10, 10, 10])
    #expect(rests.dropFirst(3).contains { $0 >= 200 }, "\(rests)")
  }

  @Test func restsGrowWithRoundsAndProgressShortensThem() {
    var search = ReplicaSearch(replicas)
    var rests: [Int64] = []
    for _ in 0..<21 {
      _ = search.next { _ in true }
      rests.append(search.failed(hint: nil, hasProgressed: false))
    }
    #expect(rests == [1, 2, 4, 8, 16, 20, 20].flatMap { [Int64](repeating: $0 * 100, count: 3) })
    #expect(search.failed(hint: nil, hasProgressed: true) == 100)
    #expect(search.failed(hint: NodeID(3), hasProgressed: true) == 10)
    #expect(search.next { _ in true } == NodeID(3))
  }
}
