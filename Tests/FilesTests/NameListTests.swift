import Files
import Foundation
import Testing

@Suite("Names in memory of one piece")
struct NameListTests {
  private static let names = ["b/1", "a", "", "é", "e\u{301}", "a.png", "a/x", "a b", "b"]

  @Test("names come back as they were, byte for byte")
  func kept() {
    let list = NameList(Self.names)
    #expect(list == Self.names && Array(list) == Self.names && list.count == 9)
    #expect(list.indices.allSatisfy { list.utf8($0) == Array(Self.names[$0].utf8) })
    // Swift takes these two for one string.
    #expect(list.differ(3, 4) && list[3] == list[4])
    #expect(list != NameList(Self.names.dropLast()) && list != NameList(Self.names.reversed()))
    let (bytes, ends) = list.storage
    #expect(NameList(bytes: bytes, ends: ends) == list)
    #expect(NameList().isEmpty && NameList() == [String]())
  }

  @Test("the order is that of the bytes, equal names in their own")
  func order() throws {
    let list = NameList(Self.names + ["a"])
    let expected = (Self.names + ["a"]).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    #expect(!list.isSorted && list.sorted().isSorted && list.sorted() == expected)
    #expect(list.order.prefix(3) == [2, 1, 9])
    let repeated = try #require(list.firstRepeated)
    #expect(repeated == (1, 9) && NameList(Self.names).firstRepeated == nil)
    // Of several, the one that is met first.
    let several = try #require(NameList(["z", "y", "z", "a", "y", "a"]).firstRepeated)
    #expect(several == (0, 2))
    let sorted = NameList(expected.dropFirst(2))
    for name in Self.names.dropFirst(3) {
      #expect(sorted.place(of: name).map { sorted.utf8($0) } == Array(name.utf8))
    }
    #expect(sorted.place(of: "c") == nil && NameList().place(of: "a") == nil)
  }

  @Test("parts share the bytes, and can be added to")
  func parts() {
    let list = NameList(Self.names)
    var part = list.keeping([8, 0, 3])
    #expect(part == ["b", "b/1", "é"] && part.keeping([2, 1]) == ["é", "b/1"])
    #expect(list.keeping(1..<3) == ["a", ""] && list.keeping(0..<9) == list)
    #expect(part.contiguous.storage.bytes == Array("bb/1é".utf8))
    part.append("new")
    part.append(contentsOf: list.keeping(1..<2))
    #expect(part == ["b", "b/1", "é", "new", "a"] && list.count == 9)
  }

  @Test("as JSON they are an array of strings")
  func json() throws {
    let data = try JSONEncoder().encode(NameList(Self.names))
    #expect(data == (try JSONEncoder().encode(Self.names)))
    #expect(try JSONDecoder().decode(NameList.self, from: data) == Self.names)
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(NameList.self, from: Data("[1]".utf8))
    }
  }

  @Test("the text is that of the encoder, and read back; others are left to the decoder")
  func text() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let every = (0..<0x80 as Range<UInt8>).map { "a\(Character(UnicodeScalar($0)))/b" }
    for names in [[], [""], Self.names, every, ["🙂 \u{2028}", "\u{7f}\u{80}"]] {
      let list = NameList(names)
      #expect(list.jsonText == String(decoding: try encoder.encode(names), as: UTF8.self))
      let isPlain = names.allSatisfy { name in
        name.utf8.allSatisfy { $0 >= 0x20 || [8, 9, 10, 12, 13].contains($0) }
      }
      #expect((NameList(jsonText: list.jsonText) == list) == isPlain)
    }
    #expect(NameList(jsonText: #"["a\/\"b\\"]"#).map { Array($0) } == [#"a/"b\"#])
    for other in [
      "", "[", "]", "[\"a\"", "\"a\"]", "[ \"a\"]", "[\"a\" ]", "[\"a\",]", "[,\"a\"]",
      "[\"a\"\"b\"]", "[1]",
      "[\"a]", "[\"a\\\"]", "[\"\\u0041\"]", "[\"a\n\"]", "[\"a\"],[\"b\"]", "[[\"a\"]]", "{}",
    ] {
      #expect(NameList(jsonText: other) == nil, "\(other)")
    }
  }

  @Test("a set tells names apart by their bytes, however many")
  func set() {
    var set = NameSet()
    #expect(!set.contains("a") && set.isEmpty)
    func insert(_ name: String) -> Bool { set.insert(name) }
    for number in 0..<1000 { #expect(insert("name \(number)")) }
    for number in 0..<1000 {
      let isNew = insert("name \(number)")
      #expect(!isNew && set.contains("name \(number)"))
    }
    #expect(set.count == 1000 && !set.contains("name 1000") && set.place(of: "name 7") == 7)
    let added = ["é", "e\u{301}", "", ""].map(insert)
    #expect(added == [true, true, true, false])
    #expect(NameSet(["b", "a", "b"]).names == ["b", "a"])
  }
}
