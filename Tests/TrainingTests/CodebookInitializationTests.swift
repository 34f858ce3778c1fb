import Codebooks
import Configuration
import Datasets
import Randomness
import Testing
import Tokenizers
import Training

/// Codebooks that are made of the encoder's outputs, and configurations that ask for the impossible.
struct CodebookInitializationTests {
  @Test(arguments: [CodebookConfiguration.Initialization.kMeans, .skeleton])
  func codebooksOfVectors(_ initialization: CodebookConfiguration.Initialization) throws {
    let small = try SmallRun(images: 4, side: 8)
    var run = CodebookSteps.run(
      small, steps: 1, CodebookUpkeep(), .sgd(SGDConfiguration(learningRate: 0)))
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 0, momentum: 0))
    var codebooks: [[Float]] = []
    for (start, threads) in [(initialization, 1), (initialization, 2), (.encoder, 1)] {
      run.quantizer = .vq(
        VectorConfiguration(codebookSize: 8, codeDimension: 4, initialization: start))
      let folder = small.folder("\(start) \(threads)")
      try SmallRun.train(run, in: folder, threads: threads)
      codebooks.append(
        try #require(try CodebookSteps.state(folder)["parameters." + CodebookSteps.codebook]))
    }
    #expect(codebooks[0] == codebooks[1], "whatever the threads")
    let vectors = try CodebookSteps.assignments(run, nil).map(\.vector)
    let (own, sampled) = (
      try CodebookSteps.rows(codebooks[0]), try CodebookSteps.rows(codebooks[2])
    )
    if initialization == .skeleton {
      #expect(own.allSatisfy(vectors.contains))
      let chosen = SkeletonCodes.choose(8, of: vectors.flatMap { $0 }, dimension: 4)
      #expect(Set(own) == Set(chosen.map { vectors[$0] }))
    } else {
      func error(_ codes: [[Float]]) -> Float {
        vectors.reduce(0) { sum, vector in
          sum
            + codes.map { zip(vector, $0).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }.min()!
        }
      }
      #expect(error(own) < 0.9 * error(sampled))
    }
  }

  /// The centres are those of plain k-means by a slow loop, over more vectors than the search takes at
  /// a time.
  @Test func theSearchOnTheDeviceIsThatOfALoop() throws {
    let small = try SmallRun(images: 10, side: 16)
    var run = CodebookSteps.run(
      small, steps: 1, CodebookUpkeep(), .sgd(SGDConfiguration(learningRate: 0, momentum: 0)))
    run.data.imageSize = 16
    run.quantizer = .vq(
      VectorConfiguration(codebookSize: 64, codeDimension: 4, initialization: .kMeans))
    try SmallRun.train(run, in: small.folder("run"))
    let state = try CodebookSteps.state(small.folder("run"))
    let found = try CodebookSteps.rows(state["parameters." + CodebookSteps.codebook])
    let vectors = try CodebookSteps.assignments(run, nil, pictures: 10, side: 16).map(\.vector)
    #expect(vectors.count == 640)
    var random = Generator(seed: UInt64(run.training.seed)).split(named: "codebook")
    let expected = KMeans(dimension: 4).centres(
      64, of: vectors.flatMap { $0 }, random: &random
    ) { centres in
      vectors.map { vector in
        let distances = stride(from: 0, to: centres.count, by: 4).map { centre in
          (0..<4).reduce(0.0) { sum, channel in
            let difference = Double(vector[channel]) - Double(centres[centre + channel])
            return sum + difference * difference
          }
        }
        return Int32(distances.firstIndex(of: distances.min()!)!)
      }
    }
    // Rounding may send a vector between two centres to the other one.
    let equal = zip(found, try CodebookSteps.rows(expected.centres)).count { own, other in
      zip(own, other).allSatisfy { abs($0 - $1) < 1e-4 }
    }
    #expect(equal >= 58, "\(equal) of 64")
  }

  // MARK: Combinations that make no sense

  @Test(arguments: [
    (
      "\"quantizer\": {\"type\": \"vq\", \"codebookLearning\": \"ema\", \"gradient\": \"diveq\"}",
      ["quantizer.codebookLearning", "diveq"]
    ),
    (
      "\"quantizer\": {\"type\": \"cosine-vq\", \"codebookLearning\": \"ema\", "
        + "\"gradient\": \"diveq\"}", ["quantizer.codebookLearning", "diveq"]
    ),
    (
      "\"quantizer\": {\"type\": \"residual-vq\", \"codebookLearning\": \"ema\", "
        + "\"gradient\": \"diveq\"}", ["quantizer.codebookLearning", "diveq"]
    ),
    (
      "\"quantizer\": {\"type\": \"cosine-vq\", \"initialization\": \"uniform\"}",
      ["quantizer.initialization", "normal"]
    ),
    (
      "\"quantizer\": {\"type\": \"vq\", \"initialization\": \"uniform\"}, "
        + "\"training\": {\"deferQuantization\": 5}", ["quantizer.initialization", "k-means"]
    ),
    (
      "\"quantizer\": {\"type\": \"simvq\"}, "
        + "\"training\": {\"averaging\": {\"codebook\": \"reestimated\"}}",
      ["training.averaging.codebook", "simvq"]
    ),
    (
      "\"quantizer\": {\"type\": \"lfq\"}, \"training\": {\"deferQuantization\": 5}",
      ["training.deferQuantization", "lfq"]
    ),
    (
      "\"quantizer\": {\"type\": \"fsq\"}, "
        + "\"training\": {\"steps\": 50, \"deferQuantization\": 50}",
      ["training.deferQuantization", "50 steps"]
    ),
    (
      "\"quantizer\": {\"type\": \"vq\", \"reviveBelow\": 1.5}", ["quantizer.reviveBelow"]
    ),
    ("\"quantizer\": {\"type\": \"fsq\", \"reviveEvery\": 1}", ["quantizer.reviveEvery"]),
  ])
  func refused(_ text: String, _ words: [String]) throws {
    #expect {
      _ = try RunConfiguration.parse("{\"data\": {\"train\": \"x\"}, \(text)}")
    } throws: { error in words.allSatisfy { "\(error)".contains($0) } }
  }
}
