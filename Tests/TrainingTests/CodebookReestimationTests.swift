import Safetensors
import Testing
import Tokenizers
import Training

/// Codebooks that are estimated anew for averaged weights, by their definition.
struct CodebookReestimationTests {
  /// The codebooks of the saved model are the means of what the averaged weights assign to each code,
  /// one depth after the other.
  @Test(arguments: ["vq", "cosine-vq", "product-vq", "residual-vq"])
  func codebooksOfAveragesAreEstimatedAnew(_ kind: String) throws {
    let small = try SmallRun(images: 4, side: 8)
    var run = CodebookSteps.run(small, steps: 6, CodebookUpkeep())
    run.quantizer = CodebookSteps.quantizer(kind, CodebookUpkeep())
    run.training.averaging.tail = true
    run.training.averaging.save = .tail
    run.training.averaging.codebook = .reestimated
    run.training.averaging.evaluationImages = 4
    let folder = small.folder("run")
    try SmallRun.train(run, in: folder)
    let model = try SafetensorsFile(path: folder + "/" + Checkpoint.modelFile)
    #expect(model.metadata["weights"] == "tail+codebook")
    var weights: [String: [Float]] = [:]
    for (name, numbers) in try CodebookSteps.state(folder) where name.hasPrefix("average.tail.") {
      weights["parameters." + name.dropFirst("average.tail.".count)] = numbers
    }
    let names = Tokenizer.codebookNames(run.quantizer)
    let width = kind == "product-vq" ? 2 : 4
    for (depth, name) in names.enumerated() {
      // The codebooks before are those estimated anew, and so are the tokens.
      let tokens = try CodebookSteps.tokens(run, weights)
      var codes = try CodebookSteps.rows(weights["parameters." + name], width)
      var isChosen = 0
      for code in 0..<CodebookSteps.depthCodes {
        let mine = try tokens.filter { $0.indices[depth] == code }.map {
          try CodebookSteps.part(kind, $0, depth, weights)
        }
        guard !mine.isEmpty else { continue }
        isChosen += 1
        codes[code] = (0..<width).map { channel in
          mine.reduce(0) { $0 + $1[channel] } / Float(mine.count)
        }
      }
      #expect(isChosen > 1)
      let found = try model.floats(name)
      #expect(zip(found, codes.flatMap { $0 }).allSatisfy { abs($0 - $1) < 1e-5 }, "\(name)")
      weights["parameters." + name] = found
    }
  }
}
