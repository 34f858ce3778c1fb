import FileTestSupport
import Files
import Foundation
import Safetensors
import Testing
import TokenFiles

/// Ids that another program wrote, with as little beside them as can be.
@Suite struct ForeignIdsTests {
  let folder: ScratchFolder
  let identity = Samples.identity(codes: 100)

  init() throws { folder = try ScratchFolder() }

  private var assumption: TokenAssumption {
    TokenAssumption(identity: identity, gridHeight: 2, gridWidth: 3)
  }

  private let ids = [0, 1, 2, 3, 4, 99, 50, 51, 52, 53, 54, 7]

  static let types: [(ElementType, String)] = [
    (.u8, "|u1"), (.u16, "<u2"), (.u32, "<u4"), (.u64, "<u8"), (.i8, "|i1"), (.i16, "<i2"),
    (.i32, "<i4"), (.i64, "<i8"),
  ]

  private func bytes(_ ids: [Int], _ type: ElementType) -> [UInt8] {
    ids.flatMap { id in
      (0..<type.byteCount).map { UInt8(truncatingIfNeeded: id >> ($0 * 8)) }
    }
  }

  private func safetensors(
    _ ids: [Int], _ shape: [Int], _ type: ElementType, name: String = "tokens",
    metadata: [String: String] = [:]
  ) throws -> String {
    let path = folder.file("ids.safetensors")
    let writer = try SafetensorsWriter(
      path: path, tensors: [TensorDeclaration(name: name, type: type, shape: shape)],
      metadata: metadata)
    try bytes(ids, type).withUnsafeBytes { try writer.append($0, to: name) }
    try writer.finish()
    return path
  }

  private func npy(
    _ ids: [Int], _ shape: [Int], _ type: (ElementType, String), name: String = "ids.npy"
  ) throws -> String {
    let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var header = "{'descr': '\(type.1)', 'fortran_order': False, 'shape': (\(extents)), }"
    header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    let path = folder.file(name)
    try ScratchFolder.put(
      [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(header.utf8) + bytes(ids, type.0),
      at: path)
    return path
  }

  @Test(arguments: 0..<types.count) func everyKindOfWholeNumberIsRead(_ index: Int) throws {
    let type = Self.types[index]
    for path in [
      try safetensors(ids, [2, 2, 3], type.0), try npy(ids, [2, 2, 3], type),
      try safetensors(ids, [2, 2, 3], type.0, name: "codes", metadata: ["format": "pt"]),
    ] {
      let file = try TokenFile.open(path: path, assuming: assumption)
      #expect(file.isAssumed)
      #expect(file.paths == ["00001", "00002"])
      #expect(try file.record(at: 0).tokens == ids[..<6].map { UInt32($0) })
      #expect(try file.record(at: 1).tokens == ids[6...].map { UInt32($0) })
      #expect(try file.record(at: 1).height == 16 && file.record(at: 1).width == 24)
      try file.check(against: identity)
    }
  }

  @Test func aRowAnImageAndOneImageAloneHaveTheGridOfTraining() throws {
    for (shape, count) in [([2, 6], 2), ([12, 1, 1], 12), ([1, 2, 6], 1), ([2, 3, 2], 2)] {
      for path in [try safetensors(ids, shape, .i64), try npy(ids, shape, Self.types[7])] {
        let file = try TokenFile.open(path: path, assuming: assumption)
        #expect(file.count == count)
        #expect(try (0..<count).flatMap { try file.record(at: $0).tokens } == ids.map(UInt32.init))
      }
    }
    for shape in [[2, 3], [6]] {
      let file = try TokenFile.open(
        path: try safetensors(Array(ids[..<6]), shape, .i32), assuming: assumption)
      #expect(try file.count == 1 && file.record(at: 0).gridWidth == 3)
    }
    // A grid is never guessed.
    for shape in [[3, 4], [12], [4, 3]] {
      let error = #expect(throws: TokenFileError.self) {
        try TokenFile.open(path: try safetensors(ids, shape, .i32), assuming: assumption)
      }
      #expect(error?.description.contains("expected [N, h, w]") == true)
    }
  }

  @Test func tokensOfADepthHaveTheirOwnExtent() throws {
    let deep = TokenizerIdentity(
      fingerprint: "ab", quantizer: "residual-vq", codebookSize: 100, depth: 2, downsampling: 8)
    let assumption = TokenAssumption(identity: deep, gridHeight: 1, gridWidth: 3)
    for (shape, count) in [([2, 1, 3, 2], 2), ([2, 3, 2], 2), ([6, 1, 1, 2], 6)] {
      let file = try TokenFile.open(
        path: try safetensors(ids, shape, .i64), assuming: assumption)
      #expect(file.count == count)
      #expect(try (0..<count).flatMap { try file.record(at: $0).tokens } == ids.map(UInt32.init))
    }
    #expect(throws: TokenFileError.self) {
      try TokenFile.open(path: try safetensors(ids, [2, 2, 3], .i64), assuming: assumption)
    }
  }

  @Test func idsMustBeCodes() throws {
    for (wrong, types) in [(100, [1, 2, 3, 5, 7]), (-1, [4, 5, 6, 7]), (1 << 40, [3, 7])] {
      for index in types {
        var ids = ids
        ids[8] = wrong
        let path = try safetensors(ids, [2, 2, 3], Self.types[index].0)
        let error = #expect(throws: TokenFileError.self) {
          try TokenFile.open(path: path, assuming: assumption)
        }
        #expect(
          error
            == .idOutOfRange(
              path: path, image: 1, imagePath: "00002", position: 2, id: wrong, codebookSize: 100))
      }
    }
  }

  @Test func whatIsNoArrayOfIdsIsExplained() throws {
    #expect(throws: TokenFileError.self, "nothing is assumed") {
      try TokenFile.open(path: try safetensors(ids, [2, 2, 3], .i64))
    }
    for (path, says) in [
      (try safetensors(ids, [2, 2, 3], .f32, name: "logits"), "integers"),
      (try npy(ids, [2, 2, 3], (.f32, "<f4"), name: "1.npy"), "astype"),
      (try npy(ids, [2, 2, 3], (.i32, ">i4"), name: "2.npy"), "little-endian"),
      (try npy(ids, [2, 2, 4], (.i32, "<i4")), "behind a header"),
    ] {
      let error = #expect(throws: TokenFileError.self) {
        try TokenFile.open(path: path, assuming: assumption)
      }
      #expect(error?.description.contains(says) == true, "\(error!)")
    }
    let two = folder.file("two.safetensors")
    let writer = try SafetensorsWriter(
      path: two,
      tensors: ["a", "b"].map { TensorDeclaration(name: $0, type: .u8, shape: [1, 1, 1]) })
    for name in ["a", "b"] { try [3 as UInt8].withUnsafeBytes { try writer.append($0, to: name) } }
    try writer.finish()
    let error = #expect(throws: TokenFileError.self) {
      try TokenFile.open(path: two, assuming: assumption)
    }
    #expect(error?.description.contains("\"a\" U8, \"b\" U8") == true)
  }

  @Test func aFingerprintIsHeededWhereThereIsOne() throws {
    let path = try safetensors(ids, [2, 2, 3], .i64, metadata: ["fingerprint": "ab"])
    #expect(throws: TokenFileError.self) { try TokenFile.open(path: path, assuming: assumption) }
  }

  /// A JSON file beside ids of other kinds, without what only encode knows.
  @Test func theSidecarOfEncodeServesOtherIds() throws {
    let path = try npy(ids, [2, 2, 3], (.i64, "<i8"))
    let sidecar = """
      {"format_version": 1, "fingerprint": "\(identity.fingerprint)", "quantizer": "vq",
       "codebook_size": 100, "downsampling": 8, "storage": "npy", "dtype": "I64",
       "shape": [2, 2, 3], "byte_count": 96}
      """
    try ScratchFolder.put(Array(sidecar.utf8), at: folder.file("ids.json"))
    let file = try TokenFile.open(path: path, assuming: assumption)
    #expect(!file.isAssumed)
    #expect(try file.record(at: 1).tokens == ids[6...].map { UInt32($0) })
  }

  @Test func sizesBeyondTheGridAreRefused() throws {
    let path = folder.file("t.npy")
    try Samples.write(Samples.uniform(2, identity), to: path, .npy, identity)
    let sidecar = folder.file("t.npy.json")
    let text = String(decoding: try ScratchFolder.read(sidecar), as: UTF8.self)
    let huge = text.replacing("\"sizes\":[[15,24]", with: "\"sizes\":[[4294967295,4294967295]")
    try #require(huge != text)
    try ScratchFolder.put(Array(huge.utf8), at: sidecar)
    let error = #expect(throws: TokenFileError.self) { try TokenFile.open(path: path) }
    #expect(error?.description.contains("4294967295x4294967295") == true)
  }

  /// Files of earlier versions have FNV-1a alone; either is heeded.
  @Test func bothKindsOfChecksumsAreRead() throws {
    let path = folder.file("t.bin")
    let records = Samples.uniform(3, identity)
    try Samples.write(records, to: path, .bin, identity)
    let sidecar = folder.file("t.bin.json")
    let text = String(decoding: try ScratchFolder.read(sidecar), as: UTF8.self)
    let ids = try ScratchFolder.read(path)
    var checksum = Checksum()
    ids.withUnsafeBytes { checksum.add($0) }
    let (old, new) = (
      "\"checksum\":\"\(checksum.hexadecimal)\"",
      "\"xxh64\":\"\(Fingerprint.hexadecimal(ids.withUnsafeBytes { Fingerprint.hash($0) }))\""
    )
    try #require(text.contains(old) && text.contains(new))
    let wrong = ":\"0123456789abcdef\""
    for (changed, isRight) in [
      (text.replacing("," + new, with: ""), true),
      (text.replacing("," + new, with: "").replacing(old, with: "\"checksum\"" + wrong), false),
      (text.replacing(new, with: "\"xxh64\"" + wrong), false),
      // A sum that is none is refused although the other one is compared.
      (text.replacing(old, with: "\"checksum\":\"x\""), false),
      // Without the one, the other says nothing: it came with a copied header.
      (text.replacing(old + ",", with: "").replacing(new, with: "\"xxh64\"" + wrong), true),
    ] {
      try #require(changed != text)
      try ScratchFolder.put(Array(changed.utf8), at: sidecar)
      if isRight {
        #expect(try TokenFile.open(path: path).records == records)
      } else {
        let error = #expect(throws: TokenFileError.self) { try TokenFile.open(path: path) }
        #expect(error?.description.contains("checksum") == true)
      }
    }
  }

  @Test func aFileThatIsCutWhileItIsReadIsAnError() throws {
    for format in TokenFormat.allCases {
      let path = folder.file("\(format).\(format)")
      try Samples.write(Samples.uniform(9, identity), to: path, format, identity)
      let file = try TokenFile.open(path: path)
      _ = try file.record(at: 0)
      #expect(truncate(path, 20) == 0)
      #expect(throws: TokenFileError.self) { try file.record(at: 8) }
    }
  }

  @Test func manyPiecesNeedFewOpenFiles() async throws {
    let identity = identity
    try Samples.write(
      Samples.uniform(60, identity), to: folder.file("t"), .safetensors, identity, shard: 1)
    await #expect(processExitsWith: .success) { [path = folder.file("t") as String] in
      var limit = rlimit(rlim_cur: 32, rlim_max: 32)
      #if canImport(Glibc)
        let code = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      #else
        let code = setrlimit(RLIMIT_NOFILE, &limit)
      #endif
      try #require(code == 0)
      let file = try TokenFile.open(path: path)
      let expected = Samples.uniform(60, Samples.identity(codes: 100))
      #expect(try (0..<60).reversed().map { try file.record(at: $0) } == expected.reversed())
    }
  }
}
