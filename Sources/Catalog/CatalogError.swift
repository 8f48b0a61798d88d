import Basics

/// Why a schema entry is refused. The catalog is unchanged then.
public enum CatalogError: Error, Hashable, Sendable {
  /// The entry's index does not follow the catalog's.
  case gap(expected: SchemaIndex, found: SchemaIndex)
  /// The effective timestamp is not above that of the entry before.
  case timestampNotMonotone(Timestamp, after: Timestamp)
  /// Compare-and-set: the table is at another version than the one the change was planned against.
  case versionConflict(TableID, expected: TableVersion, found: TableVersion)
  /// Two relations would have one name.
  case duplicateName(RelationName)
  /// The entry contradicts itself: what a correct planner never makes.
  case inconsistent(String)
}
