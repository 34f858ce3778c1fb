import Configuration
import Foundation
import Safetensors
import Testing
import Tokenizers
import Training

/// What a run does between steps to the codebooks of groups and depths, each by its definition.
struct DepthUpkeepTests {
  private static let (depth, codes) = (2, 12)
  private static let share = Double(CodebookSteps.tokens) / Double(codes)

  private static func quantizer(_ kind: String, _ upkeep: CodebookUpkeep) -> QuantizerConfiguration
  {
    switch kind {
    case "vq":
      .vq(
        VectorConfiguration(
          codebookSize: codes, codeDimension: 4, initialization: .normal, upkeep: upkeep))
    case "cosine-vq":
      .cosine(
        CosineConfiguration(
          codebookSize: codes, codeDimension: 4, initialization: .normal, upkeep: upkeep))
    case "product-vq":
      .product(
        ProductConfiguration(
          groups: depth, codebookSize: codes, codeDimension: 4, initialization: .normal,
          upkeep: upkeep))
    default:
      .residual(
        ResidualConfiguration(
          depth: depth, codebookSize: codes, codeDimension: 4, initialization: .normal,
          upkeep: upkeep))
    }
  }

  private static func run(
    _ small: SmallRun, _ kind: String, steps: Int, _ upkeep: CodebookUpkeep
  ) -> RunConfiguration {
    var run = CodebookSteps.run(small, steps: steps, upkeep)
    run.quantizer = quantizer(kind, upkeep)
    return run
  }

  private static func name(_ depth: Int) -> String {
    "parameters.quantize.\(depth).embedding.weight"
  }

  /// What the codebook of a depth is compared with, by the codebooks of a state.
  private static func part(
    _ kind: String, _ token: (vector: [Float], indices: [Int]), _ depth: Int,
    _ state: [String: [Float]]
  ) throws -> [Float] {
    if kind == "product-vq" { return Array(token.vector[depth * 2..<depth * 2 + 2]) }
    var rest = token.vector
    for before in 0..<depth {
      let code = try CodebookSteps.rows(state[name(before)])[token.indices[before]]
      for channel in rest.indices { rest[channel] -= code[channel] }
    }
    return rest
  }

  @Test(arguments: ["product-vq", "residual-vq"])
  func everyCodebookIsTheMovingAverageOfItsVectors(_ kind: String) throws {
    let small = try SmallRun(images: 4, side: 8)
    let upkeep = CodebookUpkeep(learning: .ema, decay: 0.8, epsilon: 0.01)
    let run = Self.run(small, kind, steps: 8, upkeep)
    let folder = small.folder("run")
    var states = [CodebookSteps.firstParameters(run)]
    let recorder = Recorder()
    recorder.afterSaving = { states.append(try! CodebookSteps.state(folder)) }
    try SmallRun.train(run, in: folder, recorder: recorder)
    #expect(states.count == 9)
    let width = kind == "product-vq" ? 2 : 4
    for depth in 0..<Self.depth {
      let codebook = Self.name(depth)
      var uses = [Double](repeating: Self.share, count: Self.codes)
      var sums = try #require(states[0][codebook]).map { Double($0) * Self.share }
      for step in 1...8 {
        let tokens = try CodebookSteps.tokens(run, states[step - 1])
        for code in uses.indices { uses[code] *= 0.8 }
        for place in sums.indices { sums[place] *= 0.8 }
        for token in tokens {
          let (code, part) = (
            token.indices[depth], try Self.part(kind, token, depth, states[step - 1])
          )
          uses[code] += 0.2
          for channel in 0..<width { sums[code * width + channel] += 0.2 * Double(part[channel]) }
        }
        let total = uses.reduce(0, +)
        let found = try #require(states[step][codebook])
        let worst = sums.indices.map { place in
          let smoothed = (uses[place / width] + 0.01) / (total + 12 * 0.01) * total
          return abs(Double(found[place]) - sums[place] / smoothed)
        }.max()!
        #expect(worst < 1e-5, "depth \(depth), step \(step)")
        #expect(found != states[step - 1][codebook])
      }
    }
    let kept = try SafetensorsFile(path: folder + "/" + Checkpoint.stateFile).entries.map(\.name)
    #expect(kept.contains("numbers.codebook.0") && kept.contains("numbers.codebook.1"))
    #expect(!kept.contains { $0.hasPrefix("moment") && $0.contains("embedding") })
  }

  /// The run beside one without replacements: all but the replaced rows is the same to the last bit.
  @Test(arguments: ["product-vq", "residual-vq"])
  func rareCodesOfEveryCodebookAreReplaced(_ kind: String) throws {
    let small = try SmallRun(images: 4, side: 8)
    let decay = 0.5
    let folders = [small.folder("without"), small.folder("with")]
    var states: [[String: [Float]]] = []
    for (folder, every) in zip(folders, [0, 5]) {
      let upkeep = CodebookUpkeep(decay: decay, reviveEvery: every, reviveBelow: 0.5)
      let run = Self.run(small, kind, steps: 5, upkeep)
      if every == 0 { states.append(CodebookSteps.firstParameters(run)) }
      let recorder = Recorder()
      if every == 0 {
        recorder.afterSaving = { states.append(try! CodebookSteps.state(folder)) }
      }
      try SmallRun.train(run, in: folder, recorder: recorder)
    }
    let run = Self.run(small, kind, steps: 5, CodebookUpkeep())
    let with = try CodebookSteps.state(folders[1])
    let batches = try states.prefix(5).map { try CodebookSteps.tokens(run, $0) }
    let width = kind == "product-vq" ? 2 : 4
    var revived = 0
    for depth in 0..<Self.depth {
      var uses = [Double](repeating: Self.share, count: Self.codes)
      for batch in batches {
        for code in uses.indices {
          let count = Double(batch.count { $0.indices[depth] == code })
          uses[code] = decay * uses[code] + (1 - decay) * count
        }
      }
      let rare = uses.indices.filter { uses[$0] < 0.5 * Self.share }
      #expect(!rare.isEmpty && rare.count < Self.codes)
      revived += rare.count
      // What is left at a depth is left by the codes as the step's update has them.
      let parts = Set(try batches[4].map { try Self.part(kind, $0, depth, states[5]) })
      let (before, after) = (
        try CodebookSteps.rows(states[5][Self.name(depth)], width),
        try CodebookSteps.rows(with[Self.name(depth)], width)
      )
      for code in 0..<Self.codes where !rare.contains(code) {
        #expect(after[code] == before[code])
      }
      let replaced = rare.map { after[$0] }
      #expect(Set(replaced).count == replaced.count, "no vector twice")
      for row in replaced {
        #expect(parts.contains { zip($0, row).allSatisfy { abs($0 - $1) < 1e-5 } })
      }
    }
    let codebooks = [Self.name(0), Self.name(1)].map { $0.dropFirst("parameters".count) }
    for (name, numbers) in with where !codebooks.contains(where: name.hasSuffix) {
      #expect(numbers == states[5][name], "\(name)")
    }
    let line = Journal.lines(folder: folders[1]).last { $0["kind"] == .string("codes") }
    #expect(line?["revived"] == .integer(revived))
  }

  /// The codebooks of the saved model are the means of what the averaged weights assign to each code,
  /// one depth after the other.
  @Test(arguments: ["vq", "cosine-vq", "product-vq", "residual-vq"])
  func codebooksOfAveragesAreEstimatedAnew(_ kind: String) throws {
    let small = try SmallRun(images: 4, side: 8)
    var run = Self.run(small, kind, steps: 6, CodebookUpkeep())
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
      for code in 0..<Self.codes {
        let mine = try tokens.filter { $0.indices[depth] == code }.map {
          try Self.part(kind, $0, depth, weights)
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
