import Files
import CPUBackend
import Configuration
import Execution
import Foundation
import Inference
import Testing
import Tokenizers
import Training

/// What a run does to its codebook between steps, step by step from its checkpoints.
struct CodebookUpkeepTests {
  // MARK: Moving averages

  /// Twenty steps, stopped and resumed after ten.
  @Test func theCodebookIsTheMovingAverageOfItsVectors() throws {
    let small = try SmallRun(images: 4, side: 8)
    let upkeep = CodebookUpkeep(learning: .ema, decay: 0.8, epsilon: 0.01)
    let run = CodebookSteps.run(small, steps: 20, upkeep)
    let folder = small.folder("run")
    var states: [[String: [Float]]] = []
    for (isResuming, stop) in [(false, 10), (true, nil)] as [(Bool, Int?)] {
      let recorder = Recorder()
      recorder.afterSaving = { states.append(try! CodebookSteps.state(folder)) }
      try SmallRun.train(
        run, in: folder, isResuming: isResuming, recorder: recorder, stoppingAfter: stop)
    }
    #expect(states.count == 20)
    #expect(states[0]["moment1." + CodebookSteps.codebook] == nil, "no optimizer has it")

    var uses = [Double](repeating: CodebookSteps.share, count: CodebookSteps.codes)
    var sums: [Double] = []
    var used = Set<Int>()
    for step in 0..<20 {
      let batch = try CodebookSteps.assignments(run, step == 0 ? nil : states[step - 1])
      if step == 0 {
        let parameters = ParameterMemory(
          Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
        parameters.initialize(seed: UInt64(run.training.seed))
        let first = parameters.read(parameter: parameters.layout.index(of: CodebookSteps.codebook)!)
        sums = first.map { Double($0) * CodebookSteps.share }
      }
      for code in uses.indices { uses[code] *= 0.8 }
      for place in sums.indices { sums[place] *= 0.8 }
      for (vector, code) in batch {
        used.insert(code)
        uses[code] += 0.2
        for channel in 0..<4 { sums[code * 4 + channel] += 0.2 * Double(vector[channel]) }
      }
      let total = uses.reduce(0, +)
      let found = try #require(states[step]["parameters." + CodebookSteps.codebook])
      let worst = sums.indices.map { place in
        let smoothed = (uses[place / 4] + 0.01) / (total + 24 * 0.01) * total
        return abs(Double(found[place]) - sums[place] / smoothed)
      }.max()!
      #expect(worst < 1e-5, "step \(step + 1)")
    }
    #expect(used.count > 1 && used.count < CodebookSteps.codes)
    let kept = try CodebookSteps.averages(folder)
    #expect(zip(kept, uses + sums).allSatisfy { abs($0 - $1) < 1e-4 })
  }

  @Test func whatTheStateLacksIsTold() throws {
    let small = try SmallRun(images: 4, side: 8)
    let folder = small.folder("run")
    let run = CodebookSteps.run(small, steps: 6, CodebookUpkeep(learning: .ema))
    try SmallRun.train(run, in: folder, stoppingAfter: 2)
    let path = folder + "/" + Checkpoint.stateFile
    var data = try Data(contentsOf: URL(fileURLWithPath: path))
    let name = try #require(data.range(of: Data("numbers.codebook\"".utf8)))
    data.replaceSubrange(name, with: Data("numbers.codebooo\"".utf8))
    try data.write(to: URL(fileURLWithPath: path))
    #expect {
      try SmallRun.train(run, in: folder, isResuming: true)
    } throws: { "\($0)".contains("codebook") }
  }

  // MARK: Replaced codes

  /// The run beside one without replacements: all but the replaced rows is the same to the last bit.
  @Test(arguments: [CodebookUpkeep.Learning.gradient, .ema])
  func unusedCodesAreReplacedAndNothingElse(_ learning: CodebookUpkeep.Learning) throws {
    let small = try SmallRun(images: 4, side: 8)
    let decay = 0.5
    var folders: [String] = []
    var last: RunConfiguration?
    for every in [0, 5] {
      var run = CodebookSteps.run(
        small, steps: 5,
        CodebookUpkeep(learning: learning, decay: decay, reviveEvery: every, reviveBelow: 0.1))
      run.training.averaging.ema = true
      run.training.averaging.evaluationImages = 2
      folders.append(small.folder("every \(every)"))
      try SmallRun.train(run, in: folders.last!)
      last = run
    }
    let run = try #require(last)
    // What was used when, by the checkpoints of a run of the same steps.
    let recorder = Recorder()
    let watched = small.folder("watched")
    var states: [[String: [Float]]?] = [nil]
    recorder.afterSaving = { states.append(try! CodebookSteps.state(watched)) }
    try SmallRun.train(run, in: watched, recorder: recorder)
    var uses = [Double](repeating: CodebookSteps.share, count: CodebookSteps.codes)
    var batch: [(vector: [Float], code: Int)] = []
    for step in 0..<5 {
      batch = try CodebookSteps.assignments(run, states[step])
      for code in uses.indices {
        uses[code] = decay * uses[code] + (1 - decay) * Double(batch.count { $0.code == code })
      }
    }
    let unused = Set(uses.indices.filter { uses[$0] < 0.1 * CodebookSteps.share })
    #expect(!unused.isEmpty && unused.count < CodebookSteps.codes)

    let (without, with) = (try CodebookSteps.state(folders[0]), try CodebookSteps.state(folders[1]))
    #expect(without.keys == with.keys)
    let ofCodebook = Set(with.keys.filter { $0.hasSuffix("." + CodebookSteps.codebook) })
    for name in with.keys where !ofCodebook.contains(name) {
      #expect(with[name] == without[name], "\(name)")
    }
    let names = ofCodebook.filter { !$0.hasPrefix("origin.") && !$0.hasPrefix("previous") }
    #expect(names.count == (learning == .ema ? 1 : 5), "\(names)")
    let vectors = Set(batch.map(\.vector))
    for name in names {
      let (before, after) = (
        try CodebookSteps.rows(without[name]), try CodebookSteps.rows(with[name])
      )
      for code in 0..<CodebookSteps.codes {
        if !unused.contains(code) {
          // With moving averages smoothing has a new sum of all uses: rounding.
          #expect(
            zip(after[code], before[code]).allSatisfy {
              learning == .ema ? abs($0 - $1) < 1e-4 : $0 == $1
            }, "\(name) \(code)")
        } else if name.hasPrefix("moment") || name.hasPrefix("averageRest") {
          #expect(after[code] == [0, 0, 0, 0])
        } else if learning == .gradient {
          #expect(vectors.contains(after[code]), "\(name) \(code)")
        } else {
          #expect(
            vectors.contains { zip($0, after[code]).allSatisfy { abs($0 - $1) < 1e-4 } })
        }
      }
    }
    let revived = try unused.map {
      try CodebookSteps.rows(with["parameters." + CodebookSteps.codebook])[$0]
    }
    #expect(Set(revived).count == unused.count, "no vector twice")
    let kept = try CodebookSteps.averages(folders[1])
    for code in 0..<CodebookSteps.codes {
      let expected = unused.contains(code) ? CodebookSteps.share : uses[code]
      #expect(abs(kept[code] - expected) < 1e-9)
    }
    if learning == .ema {
      for (code, row) in zip(unused, revived) {
        for channel in 0..<4 {
          let sum = kept[CodebookSteps.codes + code * 4 + channel]
          #expect(abs(sum - Double(row[channel]) * CodebookSteps.share) < 1e-3)
        }
      }
    }
    let line = Journal.lines(folder: folders[1]).last { $0["kind"] == .string("codes") }
    #expect(line?["revived"] == .integer(unused.count))
    let other = Journal.lines(folder: folders[0]).last { $0["kind"] == .string("codes") }
    #expect(other?["revived"] == nil)
  }
}
