import FileTestSupport
import Foundation
import Safetensors
import Testing
import TokenFiles

/// The classes of images, in files and in shards.
@Suite struct LabelTests {
  let folder: ScratchFolder
  let identity = Samples.identity(codes: 300)
  let classes = ["Dog", "cat", "ünï \"漢字\" \\"]

  init() throws { folder = try ScratchFolder() }

  private func writer(
    _ format: TokenFormat, _ classes: [String], shard: Int? = 2, resume: Bool = false,
    replace: Bool = false
  ) throws -> TokenWriter {
    try TokenWriter(
      path: folder.file("t"), format: format, identity: identity, recipe: Samples.recipe,
      classes: classes, shard: shard, resume: resume, replace: replace)
  }

  private func says(_ words: [String], _ body: () throws -> Void) {
    let error = #expect(throws: TokenFileError.self) { try body() }
    let found = error?.description ?? ""
    for text in words { #expect(found.contains(text), "\(found)") }
  }

  @Test(arguments: TokenFormat.allCases, [nil, 2, 4] as [Int?])
  func everyCoatComesBack(_ format: TokenFormat, _ shard: Int?) throws {
    for (kind, records) in [
      ("one grid", Samples.uniform(9, identity)), ("mixed", Samples.mixed(9, identity)),
    ] {
      let records = Samples.labelled(records, classCount: classes.count)
      let path = folder.file("\(kind).\(format)")
      let files = try Samples.write(
        records, to: path, format, identity, classes: classes, shard: shard)
      let file = try TokenFile.open(path: path)
      #expect(file.classes == classes)
      #expect(try file.records == records, "\(kind)")
      #expect((0..<9).map { file.shape(at: $0).label } == records.map(\.label))
      for path in files { #expect(try TokenFile.open(path: path).classes == classes) }
    }
  }

  @Test func theFilesAreAsDocumented() throws {
    let records = Samples.labelled(Samples.uniform(4, identity), classCount: 2)
    let path = folder.file("t.safetensors")
    try Samples.write(records, to: path, .safetensors, identity, classes: ["a", "b"])
    let file = try SafetensorsFile(path: path)
    let labels = try file.entry("labels")
    #expect(labels.type == .i32 && labels.shape == [4])
    let values = try file.withBytes(of: labels) { bytes in
      (0..<4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self) }
    }
    #expect(values == [-1, 0, 1, -1])
    #expect(file.metadata["classes"] == #"["a","b"]"#)
    #expect(file.metadata["format_version"] == "1")

    for format in [TokenFormat.npy, .bin] {
      try Samples.write(
        records, to: folder.file("\(format).\(format)"), format, identity, classes: ["a", "b"])
      let text = String(
        decoding: try ScratchFolder.read(folder.file("\(format).\(format).json")), as: UTF8.self)
      #expect(text.contains(#""classes":["a","b"]"#) && text.contains(#""labels":[-1,0,1,-1]"#))
    }
  }

  @Test(arguments: TokenFormat.allCases)
  func withoutClassesNothingIsSaidOfThem(_ format: TokenFormat) throws {
    let files = try Samples.write(
      Samples.uniform(3, identity), to: folder.file("t"), format, identity)
    let file = try TokenFile.open(path: files[0])
    #expect(file.classes.isEmpty)
    #expect(try file.records.allSatisfy { $0.label == nil })
    for path in files {
      let text = String(decoding: try ScratchFolder.read(path), as: UTF8.self)
      #expect(!text.contains("labels") && !text.contains("classes"))
    }
  }

  @Test func whatHasNoClassIsRefused() throws {
    let record = Samples.labelled(Samples.uniform(2, identity), classCount: 1)[1]
    for (classes, says) in [
      ([], "its label is 0, but there are no classes"), (["a"], nil),
    ] as [([String], String?)] {
      let writer = try writer(.safetensors, classes, shard: nil)
      if let says {
        self.says([says, record.path]) { try writer.append(record) }
      } else {
        var other = record
        for label in [1, -1] {
          other.label = label
          self.says(["its label is \(label), expected 0 to 0"]) { try writer.append(other) }
        }
        try writer.append(record)
        _ = try writer.finish()
        #expect(try TokenFile.open(path: folder.file("t")).records == [record])
      }
    }
    says(["\"classes\"", "found \"a\" twice"]) { _ = try writer(.npy, ["a", "b", "a"]) }
  }

  /// Folders whose names differ in their bytes alone are two classes.
  @Test func spellingsAreTold() throws {
    let spellings = ["e\u{301}", "\u{E9}"]
    let records = Samples.labelled(Samples.uniform(3, identity), classCount: 2)
    for format in TokenFormat.allCases {
      let path = folder.file("\(format) t.\(format)")
      try Samples.write(records, to: path, format, identity, classes: spellings)
      let file = try TokenFile.open(path: path)
      #expect(file.classes.map { Array($0.utf8) } == spellings.map { Array($0.utf8) })
      says(["their classes come in another order"]) {
        let other = folder.file("\(format) u.\(format)")
        try Samples.write(records, to: other, format, identity, classes: spellings.reversed())
        _ = try TokenFile.open(paths: [path, other])
      }
    }
  }

  @Test func classesMustLeaveRoomForPaths() throws {
    func writer(_ limit: Int) throws -> TokenWriter {
      try TokenWriter(
        path: folder.file("t.safetensors"), format: .safetensors, identity: identity,
        recipe: Samples.recipe, classes: ["cats", "dogs"], shard: nil, resume: false,
        headerLimit: limit)
    }
    says(["2 classes take 18 bytes", "Leave the labels out"]) { _ = try writer(35) }
    let divided = try writer(36)
    let records = Samples.labelled(Samples.uniform(3, identity), classCount: 2)
    for record in records { try divided.append(record) }
    #expect(try divided.finish().count == 3)
    #expect(try TokenFile.open(path: folder.file("t")).records == records)
  }

  @Test(arguments: TokenFormat.allCases) func resumingNeedsTheSameClasses(
    _ format: TokenFormat
  ) throws {
    let records = Samples.labelled(Samples.mixed(7, identity), classCount: 2)
    do {
      let first = try writer(format, ["a", "b"])
      for record in records[..<5] { try first.append(record) }
    }
    for (classes, says) in [
      ([], "it has labels, but this run has none"),
      (["a"], "it has a class \"b\", but this run has not"),
      (["a", "b", "c"], "this run has a class \"c\", but it has not"),
      (["b", "a"], "their classes come in another order"),
    ] {
      self.says(["t-00001.\(format) cannot be continued: \(says)", "name the same folders"]) {
        _ = try writer(format, classes, resume: true)
      }
    }
    let second = try writer(format, ["a", "b"], resume: true)
    for record in records[4...] { try second.append(record) }
    _ = try second.finish()
    #expect(try TokenFile.open(path: folder.file("t")).records == records)
  }

  @Test func resumingWithoutLabelsNeedsShardsWithoutLabels() throws {
    do {
      let first = try writer(.npy, [])
      for record in Samples.uniform(3, identity) { try first.append(record) }
    }
    says(["it has no labels, but this run has"]) { _ = try writer(.npy, ["a"], resume: true) }
    _ = try writer(.npy, [], resume: true).finish()
    // A single file that is complete is asked the same.
    try Samples.write(Samples.uniform(1, identity), to: folder.file("one.npy"), .npy, identity)
    says(["one.npy cannot be continued"]) {
      _ = try TokenWriter(
        path: folder.file("one.npy"), format: .npy, identity: identity, recipe: Samples.recipe,
        classes: ["a"], resume: true)
    }
  }

  /// The last shard is written once more when nothing follows it.
  @Test func closingTheRowKeepsTheLabels() throws {
    let records = Samples.labelled(Samples.uniform(3, identity), classCount: 1)
    do {
      let first = try writer(.bin, ["a"])
      for record in records { try first.append(record) }
    }
    _ = try writer(.bin, ["a"], resume: true).finish()
    let file = try TokenFile.open(path: folder.file("t"))
    #expect(try file.classes == ["a"] && file.records == Array(records[..<2]))
  }

  @Test(arguments: TokenFormat.allCases)
  func newTokensReplaceOnesOfOtherClasses(_ format: TokenFormat) throws {
    let old = Samples.labelled(Samples.uniform(5, identity), classCount: 2)
    var new = old
    for index in new.indices { new[index].label = index == 3 ? 0 : nil }
    try Samples.write(
      old, to: folder.file("t.\(format)"), format, identity, classes: ["a", "b"], shard: 2)
    let writer = try writer(format, ["c"], replace: true)
    for record in new { try writer.append(record) }
    #expect(try TokenFile.open(path: folder.file("t")).records == old)
    _ = try writer.finish()
    let file = try TokenFile.open(path: folder.file("t"))
    #expect(try file.classes == ["c"] && file.records == new)
  }

  @Test func filesOfOtherClassesAreNotOne() throws {
    var paths: [String] = []
    for (name, classes) in [("0", []), ("1", ["a"]), ("2", ["a", "b"]), ("3", ["a"])] {
      paths.append(folder.file("\(name).safetensors"))
      try Samples.write(
        Samples.uniform(2, identity), to: paths.last!, .safetensors, identity, classes: classes)
    }
    #expect(try TokenFile.open(paths: [paths[1], paths[3]]).classes == ["a"])
    for (first, second, says) in [
      (0, 1, "the first has labels, but the second has none"),
      (1, 0, "the first has no labels, but the second has"),
      (1, 2, "the first has a class \"b\", but the second has not"),
      (2, 1, "the second has a class \"b\", but the first has not"),
    ] {
      self.says(
        ["\(paths[second]) and \(paths[first]) do not belong together: \(says)", "of one run"]
      ) { _ = try TokenFile.open(paths: [paths[first], paths[second]]) }
    }
  }
}
