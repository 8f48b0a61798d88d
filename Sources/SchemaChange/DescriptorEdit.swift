import Basics
import Catalog
import SQLValues

/// One change of a table descriptor. A stage is a list of them, applied to the descriptor in force when its entry is made.
public enum DescriptorEdit: Hashable, Sendable {
  case createTable(TableDescriptor)
  case renameTable(String)
  /// The name is free from now on; transactions pinned to older versions may still commit.
  case startDropping
  case removeTable
  /// In the state that the descriptor says.
  case addColumn(ColumnDescriptor)
  case setColumnState(ColumnID, ElementState)
  case renameColumn(ColumnID, String)
  /// A column on its way out has no name, is no longer shown, and accepts NULL.
  case retireColumn(ColumnID)
  case removeColumn(ColumnID)
  case addIndex(IndexDescriptor)
  case setIndexState(IndexID, ElementState)
  case renameIndex(IndexID, String)
  /// An index on its way out has given its name back.
  case retireIndex(IndexID)
  case removeIndex(IndexID)
  /// The second takes name and place of the first, which is gone; the primary index's too.
  case replaceIndex(IndexID, with: IndexID)
  /// The second takes name and place of the first, which is gone.
  case replaceColumn(ColumnID, with: ColumnID)
  /// All values of the old type are values of the new one, in the same form.
  case setType(ColumnID, SQLType)
  /// In the state that the descriptor says.
  case addConstraint(ConstraintDescriptor)
  case setConstraintState(ConstraintID, ElementState)
  case renameConstraint(ConstraintID, String)
  case removeConstraint(ConstraintID)
  /// The same condition, or the same key, over other columns or columns of another type.
  case setRule(ConstraintID, ConstraintRule)
  /// The same condition over columns of another type.
  case setPredicate(IndexID, RowExpression?)
  /// What follows from columns that have another type now: of an index's expression its value, else a generation expression.
  case setExpression(ColumnID, RowExpression)
  /// Whether a row without the column can exist.
  case setNullable(ColumnID, Bool)
  /// For later inserts: encoded expression with its text; nil: NULL.
  case setDefault(ColumnID, expression: [UInt8]?, text: String?, sequences: [TableID] = [])
  case setSequence(SequenceDescriptor)
  /// A foreign key of some table refers to this one.
  case addReference(ForeignKeyReference)
  case removeReference(ForeignKeyReference)
  case setIndexVisibility(IndexID, isVisible: Bool)
  /// A generated column keeps its values and becomes one like others.
  case dropGeneration(ColumnID)
  case moveTable(NamespaceID)
  case setComment(CommentPlace, String?)
  /// Of a view: another query. What columns there were come first, and stay.
  case setView(ViewDescriptor, columns: [ColumnDescriptor])
  /// A label of an enumerated type, in the state that the descriptor says.
  case addEnumValue(EnumValueDescriptor)
  case setEnumValueState(EnumValueID, ElementState)
  case renameEnumValue(EnumValueID, String)
  case removeEnumValue(EnumValueID)
}

extension DescriptorEdit {
  /// Makes the change, or says why the descriptor does not allow it (a planner's mistake or a conflict of jobs).
  func apply(to table: inout TableDescriptor?) throws(PlanConflict) {
    if case .createTable(let created) = self {
      guard table == nil else { throw PlanConflict("table \(created.id) exists already") }
      table = created
      return
    }
    guard var changed = table else { throw PlanConflict("the table is gone") }
    switch self {
    case .createTable: break
    case .renameTable(let name): changed.name = name
    case .startDropping: changed.state = .dropping
    case .removeTable:
      table = nil
      return
    case .addColumn(let column):
      guard changed.column(column.id) == nil else { throw PlanConflict("column \(column.id) exists already") }
      // In the order of their ids, whichever of one statement's columns comes into being first.
      let position = changed.columns.firstIndex { $0.id > column.id } ?? changed.columns.endIndex
      changed.columns.insert(column, at: position)
      changed.nextColumnID = max(changed.nextColumnID, ColumnID(column.id.rawValue + 1))
    case .setColumnState(let id, let state):
      let position = try Self.position(of: id, in: changed)
      changed.columns[position].state = state
      if state == .public { changed.columns[position].isFilled = false }
    case .renameColumn(let id, let name): changed.columns[try Self.position(of: id, in: changed)].name = name
    case .retireColumn(let id):
      let position = try Self.position(of: id, in: changed)
      changed.columns[position].name = ""
      changed.columns[position].isNullable = true
      // Its sequences may go with it; rows written meanwhile have no number.
      if !changed.columns[position].sequences.isEmpty {
        changed.columns[position].defaultExpression = nil
        changed.columns[position].defaultText = nil
        changed.columns[position].sequences = []
      }
    case .removeColumn(let id): changed.columns.remove(at: try Self.position(of: id, in: changed))
    case .addIndex(let index):
      guard changed.index(index.id) == nil else { throw PlanConflict("index \(index.id) exists already") }
      changed.indexes.append(index)
      changed.nextIndexID = max(changed.nextIndexID, IndexID(index.id.rawValue + 1))
    case .setIndexState(let id, let state): changed.indexes[try Self.position(of: id, in: changed)].state = state
    case .renameIndex(let id, let name):
      changed.indexes[try Self.position(of: id, in: changed, orPrimary: true)].name = name
    case .retireIndex(let id): changed.indexes[try Self.position(of: id, in: changed)].name = ""
    case .removeIndex(let id): changed.indexes.remove(at: try Self.position(of: id, in: changed))
    case .replaceIndex(let old, let new):
      let position = try Self.position(of: new, in: changed)
      var index = changed.indexes[position]
      let place = try Self.position(of: old, in: changed, orPrimary: true)
      index.name = changed.indexes[place].name
      index.comment = changed.indexes[place].comment
      index.constraintComment = changed.indexes[place].constraintComment
      index.state = .public
      index.replaces = nil
      // The primary index holds every column anyway.
      if place == 0 { index.storedColumns = [] }
      changed.indexes[place] = index
      changed.indexes.remove(at: position)
    case .replaceColumn(let old, let new):
      let position = try Self.position(of: new, in: changed)
      var column = changed.columns[position]
      let place = try Self.position(of: old, in: changed)
      column.name = changed.columns[place].name
      column.comment = changed.columns[place].comment
      column.state = .public
      column.conversion = nil
      changed.columns[place] = column
      changed.columns.remove(at: position)
    case .setType(let id, let type): changed.columns[try Self.position(of: id, in: changed)].type = type
    case .addConstraint(let constraint):
      guard changed.constraint(constraint.id) == nil else {
        throw PlanConflict("constraint \(constraint.id) exists already")
      }
      changed.constraints.append(constraint)
      changed.nextConstraintID = max(changed.nextConstraintID, ConstraintID(constraint.id.rawValue + 1))
    case .setConstraintState(let id, let state):
      changed.constraints[try Self.position(of: id, in: changed)].state = state
    case .renameConstraint(let id, let name):
      changed.constraints[try Self.position(of: id, in: changed)].name = name
    case .removeConstraint(let id): changed.constraints.remove(at: try Self.position(of: id, in: changed))
    case .setRule(let id, let rule): changed.constraints[try Self.position(of: id, in: changed)].rule = rule
    case .setPredicate(let id, let predicate):
      changed.indexes[try Self.position(of: id, in: changed)].predicate = predicate
    case .setExpression(let id, let expression):
      let position = try Self.position(of: id, in: changed)
      if changed.columns[position].isComputed {
        changed.columns[position].conversion = expression
      } else {
        changed.columns[position].generation = expression
      }
    case .setNullable(let id, let isNullable):
      changed.columns[try Self.position(of: id, in: changed)].isNullable = isNullable
    case .setDefault(let id, let expression, let text, let sequences):
      let position = try Self.position(of: id, in: changed)
      changed.columns[position].defaultExpression = expression
      changed.columns[position].defaultText = text
      changed.columns[position].sequences = sequences
      // An identity column takes its values from a sequence.
      if sequences.isEmpty { changed.columns[position].identity = nil }
    case .setSequence(let sequence):
      guard changed.isSequence else { throw PlanConflict("table \(changed.id) is no sequence") }
      changed.sequence = sequence
    case .addReference(let reference):
      guard !changed.referencedBy.contains(reference) else {
        throw PlanConflict("foreign key \(reference.constraint) of table \(reference.table) is known already")
      }
      changed.referencedBy.append(reference)
    case .removeReference(let reference): changed.referencedBy.removeAll { $0 == reference }
    case .setIndexVisibility(let id, let isVisible):
      changed.indexes[try Self.position(of: id, in: changed)].isInvisible = !isVisible
    case .dropGeneration(let id):
      let position = try Self.position(of: id, in: changed)
      changed.columns[position].generation = nil
      changed.columns[position].defaultText = nil
    case .moveTable(let namespace): changed.namespaceID = namespace
    case .addEnumValue(let value):
      guard var enumeration = changed.enumeration, !enumeration.values.contains(where: { $0.id == value.id }) else {
        throw PlanConflict("label \(value.id) of type \(changed.id) exists already")
      }
      let position =
        enumeration.values.firstIndex { !$0.key.lexicographicallyPrecedes(value.key) } ?? enumeration.values.endIndex
      if enumeration.values.indices.contains(position), enumeration.values[position].key == value.key {
        throw PlanConflict("two labels of type \(changed.id) have one key")
      }
      enumeration.values.insert(value, at: position)
      enumeration.nextValueID = max(enumeration.nextValueID, EnumValueID(value.id.rawValue + 1))
      changed.enumeration = enumeration
    case .setEnumValueState(let id, let state):
      let position = try Self.position(of: id, in: changed)
      changed.enumeration?.values[position].state = state
    case .renameEnumValue(let id, let label):
      let position = try Self.position(of: id, in: changed)
      changed.enumeration?.values[position].label = label
    case .removeEnumValue(let id):
      let position = try Self.position(of: id, in: changed)
      changed.enumeration?.values.remove(at: position)
    case .setComment(let place, let text):
      guard changed.setComment(text, at: place) else { throw PlanConflict("\(place) of table \(changed.id) is gone") }
    case .setView(let definition, let columns):
      guard changed.isView else { throw PlanConflict("table \(changed.id) is no view") }
      changed.view = definition
      changed.columns = columns
      for column in columns {
        changed.nextColumnID = max(changed.nextColumnID, ColumnID(column.id.rawValue + 1))
      }
    }
    table = changed
  }

  private static func position(of id: ColumnID, in table: TableDescriptor) throws(PlanConflict) -> Int {
    guard let position = table.columns.firstIndex(where: { $0.id == id }) else {
      throw PlanConflict("column \(id) of table \(table.id) is gone")
    }
    return position
  }

  private static func position(of id: EnumValueID, in type: TableDescriptor) throws(PlanConflict) -> Int {
    guard let position = type.enumeration?.values.firstIndex(where: { $0.id == id }) else {
      throw PlanConflict("label \(id) of type \(type.id) is gone")
    }
    return position
  }

  private static func position(of id: ConstraintID, in table: TableDescriptor) throws(PlanConflict) -> Int {
    guard let position = table.constraints.firstIndex(where: { $0.id == id }) else {
      throw PlanConflict("constraint \(id) of table \(table.id) is gone")
    }
    return position
  }

  private static func position(
    of id: IndexID, in table: TableDescriptor, orPrimary: Bool = false
  ) throws(PlanConflict) -> Int {
    guard let position = table.indexes.firstIndex(where: { $0.id == id }), position > 0 || orPrimary else {
      throw PlanConflict("index \(id) of table \(table.id) is gone")
    }
    return position
  }
}

/// A stage does not fit the catalog in force: the plan was made against another one.
public struct PlanConflict: Error, Hashable, Sendable {
  public let reason: String
  public init(_ reason: String) { self.reason = reason }
}
