import Configuration
import FileTestSupport
import Foundation
import Testing
import TokenFiles
import Training

/// Tokens of images and of their mirror images: a prior holds out both or none.
@Suite struct MirroredTokensTests {
  private func write(_ count: Int, mirrored: Bool, to path: String) throws {
    let identity = TokenizerIdentity(
      fingerprint: "ab", quantizer: "vq", codebookSize: 50, downsampling: 2)
    var recipe = Recipe(size: "model", filter: "bicubic", crop: "centre", padding: "none")
    recipe.isMirrored = mirrored
    let writer = try TokenWriter(
      path: path, format: .safetensors, identity: identity, recipe: recipe)
    for index in 0..<count {
      try writer.append(
        TokenRecord(
          path: "\(index).png", width: 4, height: 4, paddedWidth: 4, paddedHeight: 4,
          gridHeight: 2, gridWidth: 2, tokens: [0, 1, 2, UInt32(index)]))
    }
    _ = try writer.finish()
  }

  private func data(_ files: [String], seed: UInt64 = 3) throws -> PriorData {
    var data = TokenDataConfiguration(tokens: files)
    data.validationShare = 0.3
    return try PriorData(data, seed: seed)
  }

  @Test func pairsAreHeldOutAsAWhole() throws {
    let folder = try ScratchFolder()
    let (plain, pairs) = (folder.file("a.safetensors"), folder.file("b.safetensors"))
    try write(5, mirrored: false, to: plain)
    try write(12, mirrored: true, to: pairs)
    for seed in 0..<10 as Range<UInt64> {
      let data = try data([plain, pairs], seed: seed)
      let held = Set(data.validation.images)
      #expect(held.isDisjoint(with: data.training.images))
      #expect(held.count + data.training.images.count == 17)
      for first in stride(from: 5, to: 17, by: 2) {
        #expect(held.contains(first) == held.contains(first + 1))
      }
    }
    // One pair alone leaves nothing to evaluate with.
    let one = folder.file("c.safetensors")
    try write(2, mirrored: true, to: one)
    #expect(throws: PriorError.oneImage(path: one)) { try data([one]) }
  }

  @Test func withoutThemTheSplitIsWhatItWas() throws {
    let folder = try ScratchFolder()
    let plain = folder.file("a.safetensors")
    try write(20, mirrored: false, to: plain)
    let data = try data([plain])
    #expect(data.validation.images.count == 6)
    #expect(data.training.images == Array(0..<20).filter { !data.validation.images.contains($0) })
  }
}
