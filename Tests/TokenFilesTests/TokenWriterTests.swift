import Files
import FileTestSupport
import Foundation
import Safetensors
import Testing
import TokenFiles

@Suite struct TokenWriterTests {
  let folder: ScratchFolder
  let identity = Samples.identity(codes: 300)

  init() throws { folder = try ScratchFolder() }

  func writer(
    _ name: String, _ format: TokenFormat = .safetensors, shard: Int? = nil, resume: Bool = false,
    identity: TokenizerIdentity? = nil, recipe: Recipe = Samples.recipe
  ) throws -> TokenWriter {
    try TokenWriter(
      path: folder.file(name), format: format, identity: identity ?? self.identity, recipe: recipe,
      shard: shard, resume: resume)
  }

  @Test(arguments: TokenFormat.allCases) func piecesAreCompleteFiles(_ format: TokenFormat) throws {
    let records = Samples.mixed(8, identity)
    let files = try Samples.write(
      records, to: folder.file("t.\(format)"), format, identity, shard: 3)
    let data = files.filter { !$0.hasSuffix(".json") }
    #expect(data == (1...3).map { folder.file("t-0000\($0).\(format)") })
    for path in [folder.file("t.\(format)"), folder.file("t"), data[0]] {
      #expect(try TokenFile.open(path: path).records == records)
    }
    #expect(try TokenFile.open(path: data[1]).records == Array(records[3..<6]))
    #expect(
      try TokenFile.open(paths: [data[2], data[0]]).records
        == Array(records[6...] + records[..<3]))
  }

  @Test func missingPiecesAreNoticed() throws {
    let files = try Samples.write(
      Samples.uniform(6, identity), to: folder.file("t"), .safetensors, identity, shard: 2)
    let hidden = folder.file("hidden")
    for missing in [2, 1, 0] {
      try FileManager.default.moveItem(atPath: files[missing], toPath: hidden)
      let error = #expect(throws: TokenFileError.self) {
        try TokenFile.open(path: folder.file("t.safetensors"))
      }
      guard case .missingPiece(files[missing], _) = error else {
        Issue.record("\(missing): \(String(describing: error))")
        return
      }
      try FileManager.default.moveItem(atPath: hidden, toPath: files[missing])
    }
    #expect(try TokenFile.open(path: folder.file("t")).count == 6)
  }

  @Test(arguments: TokenFormat.allCases) func anInterruptedRunGoesOn(_ format: TokenFormat) throws {
    let records = Samples.mixed(7, identity)
    do {
      let first = try writer("t", format, shard: 2)
      // Five images: two pieces are finished, the fifth image is lost with the writer.
      for record in records[..<5] { try first.append(record) }
    }
    let unfinished = #expect(throws: TokenFileError.self) {
      try TokenFile.open(path: folder.file("t"))
    }
    #expect(unfinished?.description.contains("encoding was interrupted") == true)
    #expect(throws: TokenFileError.self, "not by accident") { try writer("t", format, shard: 2) }

    let second = try writer("t", format, shard: 2, resume: true)
    #expect(second.finishedPaths.names == records[..<4].map(\.path))
    for record in records where !second.finishedPaths.contains(record.path) {
      try second.append(record)
    }
    let files = try second.finish()
    #expect(files.count == (format == .safetensors ? 4 : 8))
    #expect(try TokenFile.open(path: folder.file("t")).records == records)

    // Nothing left to do.
    let third = try writer("t", format, shard: 2, resume: true)
    #expect(third.finishedPaths.count == 7)
    #expect(try third.finish() == files)
    // More images later on.
    let fourth = try writer("t", format, shard: 2, resume: true)
    let more = Samples.record(99, identity)
    try fourth.append(more)
    _ = try fourth.finish()
    #expect(try TokenFile.open(path: folder.file("t")).records == records + [more])
  }

  @Test func resumingWithNothingToAddClosesTheRow() throws {
    let records = Samples.uniform(3, identity)
    do {
      let first = try writer("t", shard: 2)
      for record in records { try first.append(record) }
    }
    _ = try writer("t", shard: 2, resume: true).finish()
    #expect(try TokenFile.open(path: folder.file("t")).records == Array(records[..<2]))
  }

  @Test func resumingNeedsTheSameTokenizerAndRecipe() throws {
    _ = try Samples.write(
      Samples.uniform(3, identity), to: folder.file("t"), .safetensors, identity, shard: 2)
    let other = Samples.identity(codes: 300, fingerprint: "bad")
    let foreign = #expect(throws: TokenFileError.self) {
      try writer("t", shard: 2, resume: true, identity: other)
    }
    #expect(foreign?.description.contains("fingerprint 00c0ffee12345678") == true)
    let recipe = #expect(throws: TokenFileError.self) {
      try writer("t", shard: 2, resume: true, recipe: .generated)
    }
    #expect(recipe?.description.contains("differently") == true)
  }

  @Test func aSingleFileIsReplacedButNotAddedTo() throws {
    let records = Samples.uniform(3, identity)
    try Samples.write(records, to: folder.file("t.npy"), .npy, identity)
    let resumed = try writer("t.npy", .npy, resume: true)
    #expect(resumed.finishedPaths.count == 3)
    let error = #expect(throws: TokenFileError.self) { try resumed.append(records[0]) }
    #expect(error?.description.contains("it is complete") == true)
    #expect(try resumed.finish() == [folder.file("t.npy"), folder.file("t.npy.json")])
    #expect(throws: TokenFileError.self) { try writer("t.npy", .npy, shard: 1) }

    try Samples.write(Array(records[..<2]), to: folder.file("t.npy"), .npy, identity)
    #expect(try TokenFile.open(path: folder.file("t.npy")).count == 2)
  }

  @Test func otherJSONFilesAreNotReplaced() throws {
    try ScratchFolder.put(Array(#"{"training": 1}"#.utf8), at: folder.file("config.npy.json"))
    let error = #expect(throws: TokenFileError.self) { try writer("config.npy", .npy) }
    #expect(error?.description.contains("belongs to something else") == true)
    // Where earlier versions had theirs, another file is left alone.
    let foreign = Array(#"{"training": 2}"#.utf8)
    try ScratchFolder.put(foreign, at: folder.file("t.json"))
    try Samples.write(Samples.uniform(1, identity), to: folder.file("t.npy"), .npy, identity)
    #expect(try ScratchFolder.read(folder.file("t.json")) == foreign)
    #expect(try TokenFile.open(path: folder.file("t.npy")).count == 1)
  }

  @Test func pathsThatFillTheHeaderOpenANewPiece() throws {
    let writer = try TokenWriter(
      path: folder.file("t.safetensors"), format: .safetensors, identity: identity,
      recipe: Samples.recipe, shard: nil, resume: false, headerLimit: 200)
    let records = Samples.uniform(9, identity)
    for record in records { try writer.append(record) }
    let files = try writer.finish()
    #expect(files.count > 1 && files[0] == folder.file("t-00001.safetensors"))
    #expect(try TokenFile.open(path: folder.file("t.safetensors")).records == records)
  }

  @Test func nothingIsRefused() throws {
    for format in TokenFormat.allCases {
      let error = #expect(throws: TokenFileError.self) {
        try Samples.write([], to: folder.file("t"), format, identity)
      }
      #expect(error == .empty(path: folder.file("t.\(format)")))
    }
    #expect(try folder.contents().isEmpty)
  }

  static let refusals: [(says: String, change: @Sendable (inout TokenRecord) -> Void)] = [
    ("token 1 is 300, but the codebook has 300 codes", { $0.tokens[1] = 300 }),
    ("it has 5 tokens, but its grid is 2 x 3", { $0.tokens.removeLast() }),
    ("it has 6 tokens, but its grid is 3 x 3", { $0.gridHeight = 3 }),
    ("padded size is 16 x 25", { $0.paddedWidth = 25 }),
    ("padded size is 17 x 24", { $0.paddedHeight = 17 }),
    ("its width is 0", { $0.width = 0 }), ("its height is -1", { $0.height = -1 }),
    ("its gridWidth is 0", { $0.gridWidth = 0 }),
    ("its gridHeight is 9223372036854775807", { $0.gridHeight = .max }),
    ("its width is 4294967296", { $0.width = 1 << 32 }),
  ]

  @Test(arguments: 0..<refusals.count) func badRecordsAreRefused(_ index: Int) throws {
    let writer = try writer("t.safetensors")
    let good = Samples.record(0, identity)
    try writer.append(good)
    var bad = Samples.record(1, identity)
    Self.refusals[index].change(&bad)
    let error = #expect(throws: TokenFileError.self) { try writer.append(bad) }
    #expect(error?.description.contains(Self.refusals[index].says) == true)
    #expect(error?.description.contains(bad.path) == true)
    // The refused record leaves no trace.
    _ = try writer.finish()
    #expect(try TokenFile.open(path: folder.file("t.safetensors")).records == [good])
  }

  @Test func impossibleTokenizersAndNamesAreRefused() throws {
    #expect(throws: TokenFileError.self) {
      try writer("t", identity: Samples.identity(codes: 0))
    }
    #expect(throws: TokenFileError.self) {
      try writer("t", identity: Samples.identity(codes: 1 << 32 + 1))
    }
    #expect(throws: TokenFileError.self) { try writer("t", shard: 0) }
    #expect(throws: TokenFileError.self) { try writer("") }
    #expect(throws: TokenFileError.self) { try writer("no/such/folder/t") }
    var recipe = Samples.recipe
    recipe.digitOrder = "channel 0 most significant"
    #expect(throws: TokenFileError.self) { try writer("t", recipe: recipe) }
    #expect(try folder.contents().isEmpty)
  }

  @Test(arguments: TokenFormat.allCases, [0, 100, 600_000, 1_000_000, 1_600_000])
  func aFullDiskLeavesTheOldFiles(_ format: TokenFormat, _ room: Int) throws {
    let path = folder.file("t.\(format)")
    let old = Samples.uniform(2, identity)
    try Samples.write(old, to: path, format, identity)
    let before = try folder.contents()
    let full = SystemCalls.full(after: room)
    let error = SystemCalls.$current.withValue(full) {
      #expect(throws: TokenFileError.self) {
        let records = (0..<8).map { Samples.record($0, identity, grid: (200, 250)) }
        try Samples.write(records, to: path, format, identity)
      }
    }
    guard case .file(let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.isDiskFull)
    #expect(try TokenFile.open(path: path).records == old)
    #expect(try folder.contents() == before)
  }
}
