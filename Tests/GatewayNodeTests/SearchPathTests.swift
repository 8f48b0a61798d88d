import Basics
import Catalog
import Testing

@testable import GatewayNode

@Suite struct SearchPathTests {
  @Test func listsOfNamesAreRead() {
    let lists: [(String, [String]?)] = [
      ("", []), ("  ", []), ("a", ["a"]), ("A , b", ["a", "b"]), ("\"$user\", public", ["$user", "public"]),
      ("\"A, \"\"b\"\"\",c", ["A, \"b\"", "c"]), ("a b", nil), ("a,", nil), (",a", nil), ("\"a", nil), ("a\"b", nil),
    ]
    for (text, names) in lists { #expect(SearchPath.parse(text) == names, "\(text)") }
    for names in [["a"], ["$user", "public"], ["A, \"b\"", "", "x1"]] {
      #expect(SearchPath.parse(SearchPath.format(names)) == names)
    }
  }

  @Test func onlySchemasThatAreThereAreInIt() throws {
    var catalog = CatalogState()
    var path = SearchPath("\"$user\", nowhere, public, public")
    #expect(path.schemas(in: catalog, .defaultDatabase, user: "root") == ["public"])
    let own = NamespaceDescriptor(id: NamespaceID(5), databaseID: .defaultDatabase, name: "root")
    var entry = SchemaEntry(
      index: SchemaIndex(1), timestamp: Timestamp(rawValue: 1), databaseID: .defaultDatabase, changes: [])
    entry.namespaceChanges = [NamespaceChange(id: own.id, from: .none, descriptor: own)]
    try catalog.apply(entry)
    #expect(path.schemas(in: catalog, .defaultDatabase, user: "root") == ["root", "public"])
    #expect(path.schemas(in: catalog, .defaultDatabase, user: "other") == ["public"])
    #expect(throws: SQLError.self) {
      var settings = SessionSettings()
      try settings.set("search_path", "a b", isLocal: false)
    }
  }
}
