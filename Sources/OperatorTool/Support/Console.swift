import Glibc

/// Lines for the person at the terminal.
enum Console {
  /// A line on standard output, at once even into a pipe.
  static func line(_ text: String = "") {
    print(text)
    fflush(nil)
  }

  static func error(_ text: String) {
    fflush(nil)
    let bytes = Array((text + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }

  /// Columns padded to the widest cell; the first row is the heading. Cells that are numbers are set to the right.
  static func table(_ rows: [[String]]) -> String {
    guard let columns = rows.map(\.count).max() else { return "" }
    let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    func isNumeric(_ column: Int) -> Bool {
      rows.dropFirst().allSatisfy { row in
        guard column < row.count, let first = row[column].first else { return true }
        return first.isNumber || "-–+".contains(first)
      }
    }
    let numeric = (0..<columns).map(isNumeric)
    var lines = rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return numeric[column] ? padding + cell : cell + padding
      }
      return cells.joined(separator: "  ").trimmedRight
    }
    lines.insert(widths.map { String(repeating: "-", count: $0) }.joined(separator: "  "), at: min(1, lines.count))
    return lines.joined(separator: "\n")
  }
}

extension String {
  fileprivate var trimmedRight: String {
    var rest = self[...]
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }
}
