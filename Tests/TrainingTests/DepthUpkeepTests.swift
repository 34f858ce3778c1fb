import Files
import Configuration
import Foundation
import Safetensors
import Testing
import Tokenizers
import Training

/// What a run does between steps to the codebooks of groups and depths, each by its definition.
struct DepthUpkeepTests {
  private static let (depth, codes) = (CodebookSteps.depth, CodebookSteps.depthCodes)
  private static let share = Double(CodebookSteps.tokens) / Double(codes)

  private static func run(
    _ small: SmallRun, _ kind: String, steps: Int, _ upkeep: CodebookUpkeep
  ) -> RunConfiguration {
    var run = CodebookSteps.run(small, steps: steps, upkeep)
    run.quantizer = CodebookSteps.quantizer(kind, upkeep)
    return run
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
      let codebook = CodebookSteps.codebook(at: depth)
      var uses = [Double](repeating: Self.share, count: Self.codes)
      var sums = try #require(states[0][codebook]).map { Double($0) * Self.share }
      for step in 1...8 {
        let tokens = try CodebookSteps.tokens(run, states[step - 1])
        for code in uses.indices { uses[code] *= 0.8 }
        for place in sums.indices { sums[place] *= 0.8 }
        for token in tokens {
          let (code, part) = (
            token.indices[depth], try CodebookSteps.part(kind, token, depth, states[step - 1])
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
      let parts = Set(try batches[4].map { try CodebookSteps.part(kind, $0, depth, states[5]) })
      let (before, after) = (
        try CodebookSteps.rows(states[5][CodebookSteps.codebook(at: depth)], width),
        try CodebookSteps.rows(with[CodebookSteps.codebook(at: depth)], width)
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
    let codebooks = [CodebookSteps.codebook(at: 0), CodebookSteps.codebook(at: 1)].map {
      $0.dropFirst("parameters".count)
    }
    for (name, numbers) in with where !codebooks.contains(where: name.hasSuffix) {
      #expect(numbers == states[5][name], "\(name)")
    }
    let line = Journal.lines(folder: folders[1]).last { $0["kind"] == .string("codes") }
    #expect(line?["revived"] == .integer(revived))
  }
}
