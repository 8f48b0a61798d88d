/// What the demo's table must hold: the rows as loaded, changed by every acknowledged write.
struct DemoModel: Sendable {
  struct Row: Hashable, Sendable {
    var name: String
    var owner: Int
    var balance: Int
  }

  static let table = "ships"
  static let ownerCount = 20_000

  let loadedRows: Int
  /// Rows written since; nil is deleted.
  private(set) var changed: [Int: Row?] = [:]
  /// Rows whose last write has no known outcome.
  private(set) var uncertain: Set<Int> = []

  init(loadedRows: Int) { self.loadedRows = loadedRows }

  static func loadedRow(_ id: Int) -> Row { Row(name: "ship-\(id)", owner: id &* 7_919 % ownerCount, balance: 100) }

  subscript(id: Int) -> Row? {
    if let row = changed[id] { return row }
    return id >= 1 && id <= loadedRows ? Self.loadedRow(id) : nil
  }

  mutating func acknowledge(_ id: Int, _ row: Row?) { changed[id] = .some(row) }
  mutating func forget(_ id: Int) { uncertain.insert(id) }

  /// Ids beyond the loaded ones that were ever written.
  var highestID: Int { max(loadedRows, changed.keys.max() ?? 0) }

  var rowCount: Int {
    changed.reduce(loadedRows) { count, entry in
      let wasThere = entry.key <= loadedRows
      return count + (entry.value == nil ? 0 : 1) - (wasThere ? 1 : 0)
    }
  }
}
