import FileTestSupport
import Foundation
import Safetensors
import Testing
import TokenFiles

@Suite struct DamagedTokenFileTests {
  let folder: ScratchFolder
  let identity = Samples.identity(codes: 300)

  init() throws { folder = try ScratchFolder() }

  func says(_ text: String, opening path: String) {
    let error = #expect(throws: TokenFileError.self) { try TokenFile.open(path: path) }
    let found = error?.description ?? ""
    #expect(found.contains(text), "\(found)")
  }

  @Test(arguments: TokenFormat.allCases) func cutAnywhereIsAnError(_ format: TokenFormat) throws {
    let path = folder.file("tokens.\(format)")
    let files = try Samples.write(Samples.mixed(3, identity), to: path, format, identity)
    for file in files {
      let whole = try ScratchFolder.read(file)
      // The line feed behind the sidecar's object means nothing.
      let end = file.hasSuffix(".json") ? whole.count - 1 : whole.count
      for count in 0..<end {
        try ScratchFolder.put(Array(whole[..<count]), at: file)
        #expect(throws: TokenFileError.self, "\(count) bytes of \(file)") {
          try TokenFile.open(path: path)
        }
      }
      try ScratchFolder.put(whole + [0], at: file)
      #expect(throws: TokenFileError.self) { try TokenFile.open(path: path) }
      try ScratchFolder.put(whole, at: file)
    }
    #expect(try TokenFile.open(path: path).count == 3)
  }

  @Test(arguments: TokenFormat.allCases)
  func idsBeyondTheCodebookAreFound(_ format: TokenFormat) throws {
    let path = folder.file("tokens.\(format)")
    for records in [Samples.uniform(4, identity), Samples.mixed(4, identity)] {
      try Samples.write(records, to: path, format, identity)
      var bytes = try ScratchFolder.read(path)
      // The second id of image 2, counted from the end of the ids.
      let before = records[..<2].reduce(0) { $0 + $1.tokens.count } + 1
      let total = records.reduce(0) { $0 + $1.tokens.count }
      let start: Int
      if format == .safetensors {
        let file = try SafetensorsFile(path: path)
        let data = bytes.count - (file.entries.last?.range.upperBound ?? 0)
        start = data + (try file.entry("tokens").range.lowerBound)
      } else {
        start = bytes.count - total * 2
      }
      bytes[start + before * 2] = 0x2C
      bytes[start + before * 2 + 1] = 0x01
      try ScratchFolder.put(bytes, at: path)
      let expected = TokenFileError.idOutOfRange(
        path: path, image: 2, imagePath: records[2].path, position: 1, id: 300, codebookSize: 300)
      #expect(throws: expected) { try TokenFile.open(path: path) }
      #expect(expected.description.contains("token 1 of image 2"))

      // A wrong id that could be a right one is found by the checksum.
      bytes[start + before * 2] ^= 1
      bytes[start + before * 2 + 1] = 0
      try ScratchFolder.put(bytes, at: path)
      says("checksum", opening: path)
    }
  }

  @Test func aSidecarMustBeThereAndFit() throws {
    let (one, two) = (folder.file("one.npy"), folder.file("two.npy"))
    try Samples.write(Samples.uniform(2, identity), to: one, .npy, identity)
    try Samples.write(Samples.uniform(3, identity), to: two, .npy, identity)
    let sidecar = folder.file("one.npy.json")
    let bytes = try ScratchFolder.read(sidecar)
    try ScratchFolder.put(ScratchFolder.read(folder.file("two.npy.json")), at: sidecar)
    says("it is U16 [2, 2, 3], but \(sidecar) says U16 [3, 2, 3]", opening: one)

    // Same shape, other ids.
    try ScratchFolder.put(bytes, at: sidecar)
    var swapped = Samples.uniform(2, identity)
    swapped[1].tokens.reverse()
    try Samples.write(swapped, to: two, .npy, identity)
    try ScratchFolder.put(ScratchFolder.read(folder.file("two.npy.json")), at: sidecar)
    says("it belongs to another JSON file", opening: one)

    try FileManager.default.removeItem(atPath: sidecar)
    #expect(throws: TokenFileError.missingSidecar(path: one, sidecar: sidecar)) {
      try TokenFile.open(path: one)
    }
  }

  /// Writes a file of one image on a grid of 2 x 3, with some of it changed.
  func file(
    _ change: (inout [String: String], inout [(TensorDeclaration, [UInt8])]) -> Void
  ) throws -> String {
    let path = folder.file("changed.safetensors")
    var metadata = [
      "format_version": "1", "fingerprint": "ab", "quantizer": "vq", "codebook_size": "9",
      "downsampling": "8",
    ]
    var tensors: [(TensorDeclaration, [UInt8])] = [
      (TensorDeclaration(name: "tokens", type: .u8, shape: [1, 2, 3]), [0, 1, 2, 3, 4, 5])
    ]
    change(&metadata, &tensors)
    let writer = try SafetensorsWriter(
      path: path, tensors: tensors.map(\.0), metadata: metadata)
    for entry in writer.entries {
      let bytes = tensors.first { $0.0.name == entry.name }?.1 ?? []
      try bytes.withUnsafeBytes { try writer.append($0, to: entry.name) }
    }
    try writer.finish()
    return path
  }

  static let metadata: [(key: String, value: String?, says: String)] = [
    ("format_version", nil, "holds no tokens"), ("format_version", "2", "follows version 2"),
    ("format_version", "one", "expected the JSON of an integer, found one"),
    ("format", "pt", "its format is \"pt\""),
    ("fingerprint", nil, "\"fingerprint\": it is missing"),
    ("fingerprint", "xyz", "expected hexadecimal digits"), ("fingerprint", "", "hexadecimal"),
    ("quantizer", nil, "missing"), ("quantizer", "", "found nothing"),
    ("codebook_size", nil, "missing"), ("codebook_size", "0", "expected 1 to 4294967296, found 0"),
    ("codebook_size", "-1", "found -1"), ("codebook_size", "1e99", "an integer"),
    ("codebook_size", "5", "token 5 of image 0"), ("downsampling", nil, "missing"),
    ("downsampling", "0", "expected 1 to 65536"), ("downsampling", "9999999", "expected 1 to"),
    ("levels", "[3,3,3]", "make 27 codes"), ("levels", "[9,1]", "levels of 2 or more"),
    ("levels", "[4294967296,4294967296]", "levels of 2 or more"),
    ("levels", "3", "list of integers"),
    ("digit_order", "channel 0 most significant", "found \"channel 0 most"),
    ("recipe", "{}", "expected the JSON of Recipe"), ("paths", "[1]", "expected the JSON of text"),
    ("paths", "[\"a\",\"b\"]", "1 images but 2 paths"),
    ("checksum", "00", "expected 16 hexadecimal digits, found \"00\""),
    ("checksum", "0123456789abcdef", "expected 0123456789abcdef"),
    ("xxh64", "x", "expected 16 hexadecimal digits"),
    ("last_shard", "maybe", "true or false"),
  ]

  @Test(arguments: metadata)
  func badMetadataIsNamed(_ bad: (key: String, value: String?, says: String)) throws {
    let path = try file { metadata, _ in metadata[bad.key] = bad.value }
    says(bad.says, opening: path)
  }

  struct Change: Sendable {
    let tensors: [(TensorDeclaration, [UInt8])]
    let says: String

    /// U32 or I64 values behind, or instead of, the tokens.
    init(
      _ tokens: [Int]?, type: ElementType = .u8, offsets: [Int64]? = nil, grids: [UInt32]? = nil,
      sizes: [UInt32]? = nil, padded: [UInt32]? = nil, says: String
    ) {
      var tensors: [(TensorDeclaration, [UInt8])] = []
      if let tokens {
        let count = tokens.reduce(type.byteCount, *)
        tensors.append(
          (
            TensorDeclaration(name: "tokens", type: type, shape: tokens),
            [UInt8](repeating: 0, count: count)
          ))
      }
      if let offsets {
        tensors.append(
          (
            TensorDeclaration(name: "offsets", type: .i64, shape: [offsets.count]),
            offsets.withUnsafeBytes { Array($0) }
          ))
      }
      for (name, values) in [("grids", grids), ("sizes", sizes), ("padded_sizes", padded)] {
        guard let values else { continue }
        tensors.append(
          (
            TensorDeclaration(name: name, type: .u32, shape: [values.count / 2, 2]),
            values.withUnsafeBytes { Array($0) }
          ))
      }
      self.tensors = tensors
      self.says = says
    }
  }

  static let changes: [Change] = [
    Change(nil, says: "has no tensor \"tokens\""),
    Change([1, 2, 3], type: .f64, says: "is F64, expected integers"),
    Change([1, 2, 3], type: .f32, says: "is F32, expected"),
    Change([0, 2, 3], says: "it holds no image"),
    Change([1, 0, 3], says: "its grid is empty"),
    Change([1 << 40, 0, 3], says: "its grid is empty"),
    Change([6], says: "expected [N, h, w], or [T] together"),
    Change([2, 3], says: "expected [N, h, w]"),
    Change([], says: "expected [N, h, w]"),
    Change([1, 2, 3], offsets: [0, 6], grids: [2, 3], says: "expected [N, h, w]"),
    Change([6], offsets: [], grids: [], says: "0 offsets and 0 grids"),
    Change([0], offsets: [0], grids: [], says: "it holds no image"),
    Change([6], offsets: [0, 6], grids: [2, 3, 2, 3], says: "2 offsets and 2 grids"),
    Change([6], offsets: [1, 6], grids: [2, 3], says: "run from 1 to 6"),
    Change([6], offsets: [0, 5], grids: [2, 3], says: "run from 0 to 5, expected 0 to 6"),
    Change([6], offsets: [0, 6], grids: [3, 3], says: "image 0 has a grid of 3 x 3"),
    Change([6], offsets: [0, 8, 6], grids: [2, 4, 1, 2], says: "image 1 has a grid of 1 x 2"),
    Change([6], offsets: [0, 6, 6], grids: [2, 3, 0, 7], says: "image 1 has a grid of 0 x 7"),
    Change([6], offsets: [0, .min, 6], grids: [2, 3, 1, 1], says: "image 0 has a grid"),
    Change([6], offsets: [0, 6], grids: [.max, .max], says: "image 0 has a grid of 4294967295"),
    Change([1, 2, 3], sizes: [9, 9, 9, 9], says: "1 images but \"sizes\" of 2"),
    Change([1, 2, 3], sizes: [0, 9], says: "\"sizes\" of image 0 is empty"),
    Change([1, 2, 3], padded: [16, 23], says: "padded size of 16 x 23, but its grid stands for"),
  ]

  @Test(arguments: changes) func contradictionsAreNamed(_ change: Change) throws {
    let path = try file { _, tensors in tensors = change.tensors }
    says(change.says, opening: path)
  }

  @Test(arguments: [
    ("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2, 3), }", "it is I64 [1, 2, 3]"),
    ("{'descr': '>u2', 'fortran_order': False, 'shape': (1, 2, 3), }", "numbers are '>u2'"),
    ("{'descr': '<u2', 'fortran_order': True, 'shape': (1, 2, 3), }", "Fortran order"),
    ("{'descr': '<u2', 'fortran_order': False, 'shape': (1, 2, 4), }", "it is U16 [1, 2, 4]"),
    ("{'descr': '<u2', 'fortran_order': False, 'shape': (1, x, 3), }", "cannot be understood"),
    ("{'descr': '<u2', 'fortran_order': False, 'shape': (1, 2", "cannot be understood"),
    ("{'descr': [('a', '<u2')], 'fortran_order': False}", "cannot be understood"),
    ("", "cannot be understood"),
  ])
  func otherNumpyArraysAreRefused(_ text: String, _ reason: String) throws {
    let path = folder.file("tokens.npy")
    try Samples.write(Samples.uniform(1, identity), to: path, .npy, identity)
    let header = Array(text.utf8)
    try ScratchFolder.put(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.count), 0] + header
        + [UInt8](repeating: 0, count: 12), at: path)
    says(reason, opening: path)
  }

  @Test func otherFilesAreNoTokens() throws {
    let path = folder.file("model.safetensors")
    try SafetensorsWriter.write([("w", [1], [1])], to: path)
    says("holds no tokens", opening: path)
    says("No such file", opening: folder.file("missing.safetensors"))
    says("No such file", opening: folder.file("missing"))
    says("not a regular file", opening: folder.path)
    try ScratchFolder.put(Array("[]".utf8), at: folder.file("x.json"))
    says("holds no tokens", opening: folder.file("x.json"))
  }

  @Test func foreignTokensAreRefused() throws {
    let path = folder.file("tokens.safetensors")
    try Samples.write(Samples.uniform(1, identity), to: path, .safetensors, identity)
    let file = try TokenFile.open(path: path)
    try file.check(against: identity)
    let error = #expect(throws: TokenFileError.self) { try file.check(against: Samples.fsq) }
    let text = error?.description ?? ""
    #expect(text.contains("00c0ffee12345678") && text.contains("f5f5") && text.contains(path))
    #expect(text.contains("name the checkpoint that encoded them"))
    // The same weights, read in another way.
    #expect(throws: TokenFileError.self) { try file.check(against: Samples.identity(codes: 299)) }
  }
}
