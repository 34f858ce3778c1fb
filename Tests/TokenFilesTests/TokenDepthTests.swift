import FileTestSupport
import Foundation
import Safetensors
import Testing
import TokenFiles

/// Tokens of several ids.
@Suite struct TokenDepthTests {
  let folder: ScratchFolder
  let identity = TokenizerIdentity(
    fingerprint: "dee9", quantizer: "residual-vq", codebookSize: 300, depth: 3, downsampling: 8)

  init() throws { folder = try ScratchFolder() }

  private func record(_ index: Int, _ height: Int, _ width: Int) -> TokenRecord {
    TokenRecord(
      path: "\(index).png", width: width * 8, height: height * 8 - 1, paddedWidth: width * 8,
      paddedHeight: height * 8, gridHeight: height, gridWidth: width,
      tokens: (0..<height * width * 3).map { UInt32(($0 * 101 + index) % 300) })
  }

  private var uniform: [TokenRecord] { (0..<4).map { record($0, 2, 5) } }
  private var mixed: [TokenRecord] { (0..<5).map { record($0, $0 % 3 + 1, $0 % 2 + 2) } }

  @Test(arguments: TokenFormat.allCases, [nil, 2])
  func everyCoatComesBack(_ format: TokenFormat, _ shard: Int?) throws {
    for (name, records) in [("one grid", uniform), ("mixed", mixed)] {
      let path = folder.file("\(name).\(format)")
      try Samples.write(records, to: path, format, identity, shard: shard)
      let file = try TokenFile.open(path: path)
      #expect(try file.records == records, "\(name)")
      #expect(file.identity == identity)
      try file.check(against: identity)
    }
  }

  @Test func theDepthIsTheLastExtent() throws {
    let path = folder.file("t.safetensors")
    try Samples.write(uniform, to: path, .safetensors, identity)
    let one = try SafetensorsFile(path: path)
    #expect(try one.entry("tokens").shape == [4, 2, 5, 3])
    #expect(one.metadata["depth"] == "3")
    #expect(one.metadata["codebook_size"] == "300")
    try Samples.write(mixed, to: path, .safetensors, identity)
    let flat = try SafetensorsFile(path: path)
    #expect(try flat.entry("tokens").shape == [2 + 6 + 6 + 3 + 4, 3])
    #expect(try flat.entry("offsets").shape == [6], "offsets count tokens, not ids")
    // Tokens of one id have neither.
    let plain = Samples.identity(codes: 300)
    try Samples.write(Samples.uniform(2, plain), to: path, .safetensors, plain)
    #expect(try SafetensorsFile(path: path).metadata["depth"] == nil)
  }

  @Test func whatContradictsTheDepthIsRefused() throws {
    let writer = try TokenWriter(
      path: folder.file("t.safetensors"), format: .safetensors, identity: identity,
      recipe: Samples.recipe)
    var short = uniform[0]
    short.tokens.removeLast()
    let error = #expect(throws: TokenFileError.self) { try writer.append(short) }
    #expect(error?.description.contains("its grid is 2 x 5 of 3 each") == true, "\(error!)")

    let path = folder.file("u.safetensors")
    try Samples.write(uniform, to: path, .safetensors, identity)
    let other = TokenizerIdentity(
      fingerprint: "dee9", quantizer: "residual-vq", codebookSize: 300, depth: 2, downsampling: 8)
    #expect(throws: TokenFileError.self) { try TokenFile.open(path: path).check(against: other) }

    for (depth, says) in [
      ("2", "expected a last dimension of 2"), ("0", "expected 1 to 1024 ids"),
      ("9999", "expected 1 to 1024"), ("x", "an integer"), (nil, "expected [N, h, w]"),
    ] as [(String?, String)] {
      let file = try SafetensorsFile(path: path)
      var metadata = file.metadata
      metadata["depth"] = depth
      let changed = folder.file("changed.safetensors")
      let copy = try SafetensorsWriter(
        path: changed,
        tensors: file.entries.map {
          TensorDeclaration(name: $0.name, type: $0.type, shape: $0.shape)
        }, metadata: metadata)
      for entry in copy.entries {
        let source = try file.entry(entry.name)
        let bytes = try file.withBytes(of: source) { Array($0) }
        try bytes.withUnsafeBytes { try copy.append($0, to: entry.name) }
      }
      try copy.finish()
      let error = #expect(throws: TokenFileError.self) { try TokenFile.open(path: changed) }
      #expect(error?.description.contains(says) == true, "\(error!)")
    }
  }

  /// An id out of range is told with the image that it is of.
  @Test(arguments: [false, true]) func anIdOutOfRangeNamesItsImage(_ isMixed: Bool) throws {
    let big = TokenizerIdentity(
      fingerprint: "dee9", quantizer: "residual-vq", codebookSize: 400, depth: 3, downsampling: 8)
    var records = isMixed ? mixed : uniform
    records[2].tokens[7] = 399
    let path = folder.file("t.safetensors")
    try Samples.write(records, to: path, .safetensors, big)
    // Said to have fewer codes than its ids need.
    var bytes = try ScratchFolder.read(path)
    let old = Array(#""codebook_size":"400""#.utf8)
    let start = try #require(bytes.indices.first { bytes[$0...].starts(with: old) })
    bytes.replaceSubrange(start..<start + old.count, with: Array(#""codebook_size":"390""#.utf8))
    try folder.write(bytes, to: "t.safetensors")
    let error = #expect(throws: TokenFileError.self) { try TokenFile.open(path: path) }
    guard case .idOutOfRange(_, let image, let name, let position, let id, 390)? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(image == 2 && name == "2.png" && position == 7 && id == 399)
  }
}
