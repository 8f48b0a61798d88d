import Basics
import Catalog

/// What `REVERT JOB` does about names: of schemas and tables, where tables are, and what is said of them.
extension Planner {
  /// A schema that was dropped comes back under its id, so what was in it finds its place.
  func goBack(_ entry: WayBack.Namespace, _ restoration: inout Restoration) throws(SQLError) {
    guard let before = entry.before else { return }
    func requireFree() throws(SQLError) {
      guard context.catalog.namespace(named: before.name, in: context.databaseID) == nil else {
        throw Self.duplicateNamespace(before.name)
      }
    }
    let now = context.catalog.namespace(id: entry.id)
    guard let after = entry.after else {
      guard now == nil else { throw Self.changedSince("schema \"\(before.name)\" is back already") }
      try requireFree()
      guard context.catalog.namespaces.count < SchemaLimits.maximumNamespaces else { throw Self.tooManyNamespaces }
      restoration.restoredNamespaces.insert(entry.id)
      restoration.stages.change(
        entry.id, NamespaceEdit.edits(from: nil, to: before), "schema \(before.name): dropped -> public")
      return
    }
    guard let now else { throw Self.changedSince("schema \"\(after.name)\" was dropped") }
    var edits: [NamespaceEdit] = []
    if before.name != after.name {
      guard now.name == after.name else { throw Self.changedSince("schema \"\(after.name)\" was renamed") }
      try requireFree()
      edits.append(.rename(before.name))
    }
    if before.comment != after.comment {
      guard now.comment == after.comment else {
        throw Self.changedSince("schema \"\(now.name)\" has another comment")
      }
      edits.append(.setComment(before.comment))
    }
    if !edits.isEmpty { restoration.stages.change(entry.id, edits, "schema \(now.name): as it was") }
  }

  /// To the name and the schema that it had.
  func moveBack(
    _ before: TableDescriptor, _ after: TableDescriptor, _ now: TableDescriptor, _ restoration: Restoration,
    _ stages: inout StageBuilder
  ) throws(SQLError) {
    let title = "\(now.kindName) \(now.name)"
    let isMoved = before.namespaceID != after.namespaceID
    if before.name != after.name {
      guard now.name == after.name else { throw Self.changedSince("\(title) was renamed") }
      stages.edit(now.id, [.renameTable(before.name)], "\(title): renamed to \(before.name)")
    } else if !isMoved {
      return
    }
    let name = before.name == after.name ? now.name : before.name
    var names = [name]
    if isMoved {
      guard now.namespaceID == after.namespaceID else {
        throw Self.changedSince("\(title) was moved to another schema")
      }
      guard let namespace = context.catalog.namespace(id: before.namespaceID) else {
        throw Self.changedSince("the schema that \(title) was in was dropped")
      }
      names += now.indexes.map(\.name).filter { !$0.isEmpty }
      // With the sequences that it has got since.
      for moved in [now] + ownedSequences(of: now.id) where moved.id == now.id || restoration.way.table(moved.id) == nil
      {
        stages.edit(
          moved.id, [.moveTable(namespace.id)],
          "\(moved.kindName) \(moved.name): moved to schema \(namespace.name)")
        if moved.id != now.id { names.append(moved.name) }
      }
    }
    let target = isMoved ? before.namespaceID : now.namespaceID
    for name in names where !isFree(name, in: target, restoration) { throw Self.nameTaken(name) }
  }

  func undoComments(
    _ before: TableDescriptor, _ after: TableDescriptor, _ now: TableDescriptor, _ stages: inout StageBuilder
  ) throws(SQLError) {
    func put(_ place: CommentPlace, _ text: String?) {
      stages.edit(now.id, [.setComment(place, text)], "\(place) of table \(now.name): comment as it was")
    }
    let old = Set(before.commentPlaces)
    let present = Set(now.commentPlaces)
    for place in after.commentPlaces where old.contains(place) {
      let text = before.comment(at: place)
      guard text != after.comment(at: place), present.contains(place) else { continue }
      guard now.comment(at: place) == after.comment(at: place) else {
        throw Self.changedSince("a comment on table \"\(now.name)\" was changed")
      }
      put(place, text)
    }
    // Under another key nothing was said of it any more.
    guard before.primaryIndex.id != after.primaryIndex.id else { return }
    let places: [(CommentPlace, KeyPath<IndexDescriptor, String?>)] = [
      (.index(now.primaryIndex.id), \.comment), (.indexConstraint(now.primaryIndex.id), \.constraintComment),
    ]
    for (place, text) in places where before.primaryIndex[keyPath: text] != after.primaryIndex[keyPath: text] {
      guard now.comment(at: place) == after.primaryIndex[keyPath: text] else {
        throw Self.changedSince("a comment on table \"\(now.name)\" was changed")
      }
      put(place, before.primaryIndex[keyPath: text])
    }
  }

  static func nameTaken(_ name: String) -> SQLError {
    SQLError(.duplicateTable, "relation \"\(name)\" already exists", tableName: name)
  }
}
