import Files
import FileTestSupport
import Foundation
import Safetensors
import Synchronization
import Testing
import TokenFiles

/// The index beside flat ids, by its layout, by Megatron's own reader, and where writing fails.
@Suite struct MegatronIndexTests {
  private let folder: ScratchFolder
  private let identity = Samples.identity(codes: 300)

  init() throws { folder = try ScratchFolder() }

  private func write(
    _ records: [TokenRecord], _ identity: TokenizerIdentity, hasIndex: Bool = true,
    idType: ElementType? = nil, shard: Int? = nil, resume: Bool = false, replace: Bool = false
  ) throws -> [String] {
    let writer = try TokenWriter(
      path: folder.file("t.bin"), format: .bin, identity: identity, recipe: Samples.recipe,
      idType: idType, hasIndex: hasIndex, shard: shard, resume: resume, replace: replace)
    for record in records where !writer.finishedPaths.contains(record.path) {
      try writer.append(record)
    }
    return try writer.finish().map { String($0.dropFirst(folder.path.count + 1)) }
  }

  /// What an index says, read by its layout.
  private func index(_ name: String) throws -> (code: UInt8, lengths: [Int], starts: [Int]) {
    let bytes = try ScratchFolder.read(folder.file(name))
    #expect(Array(bytes.prefix(9)) == Array("MMIDIDX".utf8) + [0, 0])
    func number<T: FixedWidthInteger>(_: T.Type, at place: Int) -> Int {
      Int(bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place, as: T.self) })
    }
    #expect(number(UInt64.self, at: 9) == 1)
    let count = number(UInt64.self, at: 18)
    #expect(number(UInt64.self, at: 26) == count + 1)
    #expect(bytes.count == 34 + 12 * count + 8 * (count + 1))
    let bounds = (0...count).map { number(Int64.self, at: 34 + 12 * count + 8 * $0) }
    #expect(bounds == Array(0...count))
    return (
      bytes[17], (0..<count).map { number(Int32.self, at: 34 + 4 * $0) },
      (0..<count).map { number(Int64.self, at: 34 + 4 * count + 8 * $0) }
    )
  }

  @Test(
    arguments: [
      (200, nil, 1, 1), (300, nil, 8, 2), (70_000, nil, 4, 4), (200, .u16, 8, 2),
    ] as [(Int, ElementType?, UInt8, Int)])
  func itsLayout(codes: Int, type: ElementType?, code: UInt8, width: Int) throws {
    let identity = Samples.identity(codes: codes)
    let records = Samples.mixed(5, identity)
    #expect(try write(records, identity, idType: type) == ["t.bin", "t.bin.json", "t.idx"])
    let found = try index("t.idx")
    #expect(found.code == code)
    #expect(found.lengths == records.map(\.tokens.count))
    var start = 0
    for (length, place) in zip(found.lengths, found.starts) {
      #expect(place == start * width)
      start += length
    }
    #expect(try TokenFile.open(path: folder.file("t.bin")).records == records)
  }

  @Test(.enabled(if: PythonPeer.megatron.isHere, "\(PythonPeer.megatron.absence)"))
  func megatronReadsIt() throws {
    for codes in [200, 300, 70_000] {
      let records = Samples.mixed(6, Samples.identity(codes: codes))
      _ = try write(records, Samples.identity(codes: codes))
      let output = try PythonPeer.megatron.run(
        script: """
          import sys
          from megatron.core.datasets.indexed_dataset import IndexedDataset
          data = IndexedDataset(sys.argv[1])
          print([data[i].tolist() for i in range(len(data))], data.document_indices.tolist())
          """, [folder.file("t")])
      let expected = "\(records.map(\.tokens)) \(Array(0...6))"
      #expect(output.trimmingCharacters(in: .newlines).hasSuffix(expected), "\(output)")
    }
  }

  @Test func shardsHaveOneEach() throws {
    let records = Samples.mixed(5, identity)
    let files = try write(Array(records[..<4]), identity, shard: 2)
    #expect(
      files == (1...2).flatMap { n in ["bin", "bin.json", "idx"].map { "t-0000\(n).\($0)" } })
    // A shard whose index did not come, as after a kill, gets it on resuming.
    let expected = try index("t-00001.idx")
    try FileManager.default.removeItem(atPath: folder.file("t-00001.idx"))
    let all = try write(records, identity, shard: 2, resume: true)
    #expect(all.count == 9)
    #expect(try folder.contents() == all.sorted())
    #expect(try index("t-00001.idx") == expected)
    #expect(try index("t-00003.idx").lengths == [records[4].tokens.count])
    // Replaced as a set, and without one none is left beside ids that it is not of.
    let fewer = try write(Array(records[..<3]), identity, shard: 2, replace: true)
    #expect(try folder.contents() == fewer.sorted() && fewer.count == 6)
    let plain = try write(records, identity, hasIndex: false, shard: 2, replace: true)
    #expect(try folder.contents() == plain.sorted() && plain.count == 6)
  }

  /// Each failure leaves an index that is of the ids beside it, or none.
  @Test func aFailureLeavesNoIndexOfOtherIds() throws {
    let (old, new) = (Samples.uniform(2, identity), Samples.mixed(3, identity))
    var number = 1
    while true {
      _ = try write(old, identity)
      let count = Mutex(0)
      let failing = number
      var calls = SystemCalls.real
      calls.rename = { from, to in
        let call = count.withLock {
          $0 += 1
          return $0
        }
        if call == failing {
          errno = EIO
          return -1
        }
        return SystemCalls.real.rename(from, to)
      }
      SystemCalls.$current.withValue(calls) { _ = try? write(new, identity) }
      let found = try TokenFile.open(path: folder.file("t.bin")).records
      #expect(found == old || found == new, "rename \(number)")
      if FileManager.default.fileExists(atPath: folder.file("t.idx")) {
        #expect(try index("t.idx").lengths == found.map(\.tokens.count), "rename \(number)")
      }
      guard count.withLock({ $0 }) >= number else { break }
      number += 1
    }
    #expect(number > 4)
  }

  @Test func whatCannotBeIsRefused() throws {
    func says(_ words: String, _ body: () throws -> Void) {
      let error = #expect(throws: TokenFileError.self) { try body() }
      #expect(error?.description.contains(words) == true, "\(String(describing: error))")
    }
    let records = Samples.uniform(3, identity)
    says("ids up to 299 do not fit U8") { _ = try write(records, identity, idType: .u8) }
    says("no ids above 2147483647") { _ = try write([], Samples.identity(codes: 1 << 32)) }
    try folder.write("mine", to: "t.idx")
    says("t.idx would be replaced") { _ = try write(records, identity) }
    #expect(try ScratchFolder.read(folder.file("t.idx")) == Array("mine".utf8))
    // Flat ids alone have nothing to do with it.
    #expect(try write(records, identity, hasIndex: false).count == 2)
    #expect(try ScratchFolder.read(folder.file("t.idx")) == Array("mine".utf8))
  }

  @Test(arguments: TokenFormat.allCases) func idsAreWrittenAsWideAsAsked(
    _ format: TokenFormat
  ) throws {
    let small = Samples.identity(codes: 200)
    let records = Samples.mixed(5, small)
    func writer(_ type: ElementType?, resume: Bool = false) throws -> TokenWriter {
      try TokenWriter(
        path: folder.file("w.\(format)"), format: format, identity: small, recipe: Samples.recipe,
        idType: type, shard: 2, resume: resume)
    }
    let first = try writer(.u32)
    for record in records[..<3] { try first.append(record) }
    _ = try first.finish()
    let error = #expect(throws: TokenFileError.self) { try writer(nil, resume: true) }
    #expect(
      error?.description.contains("its ids are U32, and those of this run would be U8") == true)
    let second = try writer(.u32, resume: true)
    for record in records[3...] { try second.append(record) }
    _ = try second.finish()
    #expect(try TokenFile.open(path: folder.file("w")).records == records)
    let bytes = try ScratchFolder.read(folder.file("w-00001.\(format)")).count
    #expect(bytes >= records[..<2].reduce(0) { $0 + $1.tokens.count } * 4)
  }
}
