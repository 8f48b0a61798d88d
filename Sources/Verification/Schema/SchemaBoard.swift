/// What the clients of the schema workload tell each other: the tables as far as changes have been answered.
actor SchemaBoard {
  private var tables: [Int: TableModel] = [:]
  private var serial = 0

  func table(_ slot: Int) -> TableModel? { tables[slot] }

  func set(_ slot: Int, _ table: TableModel?) { tables[slot] = table }

  /// So many numbers never given before; the last one before them.
  func serials(_ count: Int) -> Int {
    defer { serial += count }
    return serial
  }
}
