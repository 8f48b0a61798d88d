import EventLoop
import Testing

@testable import OperatorTool

@Suite struct PostgresURLTests {
  @Test func allPartsAreRead() throws {
    let url = try PostgresURL("postgresql://ann%40x:secret@h1:1,[::1]:2,h3/a%20b?application_name=x&sslmode=disable")
    #expect(url.endpoints.map(\.description) == ["h1:1", "[::1]:2", "h3:26257"])
    #expect(url.user == "ann@x" && url.database == "a b")
  }

  @Test func whatIsNotSaidHasDefaults() throws {
    let url = try PostgresURL("postgres://localhost")
    #expect(url.endpoints == [Endpoint(host: "localhost", port: 26_257)])
    #expect(url.user == "root" && url.database == "defaultdb")
    #expect(try PostgresURL("postgresql://h/?user=ann&dbname=other").user == "ann")
  }

  @Test(arguments: [
    "", "h:1", "mysql://h/d", "postgresql://", "postgresql://:1/d", "postgresql://h:0x1/d", "postgresql://h:99999/d",
    "postgresql://h,/d", "postgresql://h/%zz", "postgresql://h/%f", "postgresql://h/%ff",
    "postgresql://h/d?sslmode=require",
    "postgresql://h/d?what=1",
  ])
  func anythingElseIsRefused(_ text: String) {
    #expect(throws: ToolError.self) { try PostgresURL(text) }
  }
}
