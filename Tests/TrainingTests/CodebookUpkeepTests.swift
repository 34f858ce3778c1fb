import Autodiff
import CPUBackend
import Codebooks
import Configuration
import Datasets
import Execution
import Foundation
import Imaging
import Inference
import Safetensors
import TestSupport
import Testing
import Tokenizers
import Training

/// What a run does to its codebook between steps, step by step from its checkpoints.
struct CodebookUpkeepTests {
  private static let codebook = "quantize.embedding.weight"
  private static let (codes, dimension, tokens) = (24, 4, 4 * 16)
  private static let share = Double(tokens) / Double(codes)

  /// A run whose every batch is the same four pictures, whole and unmirrored, in some order.
  private static func run(
    _ small: SmallRun, steps: Int, _ upkeep: CodebookUpkeep,
    _ optimizer: OptimizerConfiguration = .adam(AdamConfiguration(learningRate: 3e-3))
  ) -> RunConfiguration {
    var run = SmallRun.fsq(data: small.data, steps: steps)
    run.data.crop = .centre
    run.data.flip = false
    run.data.validation = small.data
    run.quantizer = .vq(
      VectorConfiguration(
        codebookSize: codes, codeDimension: dimension, initialization: .normal, upkeep: upkeep))
    run.training.optimizer = optimizer
    run.training.schedule = .constant(WarmupConfiguration())
    run.monitor.checkpointEvery = 1
    return run
  }

  /// The tensors of a state by name.
  private static func state(_ folder: String) throws -> [String: [Float]] {
    let file = try SafetensorsFile(path: folder + "/" + Checkpoint.stateFile)
    return Dictionary(
      uniqueKeysWithValues: try file.entries.filter { $0.type == .f32 }.map {
        ($0.name, try file.floats($0.name))
      })
  }

  /// The moving averages in a state: uses, then sums.
  private static func averages(_ folder: String) throws -> [Double] {
    let file = try SafetensorsFile(path: folder + "/" + Checkpoint.stateFile)
    let entry = try #require(file.entries.first { $0.name == "numbers.codebook" })
    return file.withBytes(of: entry) { bytes in
      (0..<entry.elementCount).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self) }
    }
  }

  /// The vectors that weights make of the batch, each with its code.
  private static func assignments(
    _ run: RunConfiguration, _ weights: [String: [Float]]?
  ) throws -> [(vector: [Float], code: Int)] {
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    parameters.initialize(seed: UInt64(run.training.seed))
    for (index, parameter) in parameters.layout.parameters.enumerated() {
      if let numbers = weights?["parameters." + parameter.name] {
        parameters.write(numbers, toParameter: index)
      }
    }
    let codec = Codec(
      run.tokenizer, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    return try codec.reconstruct((0..<4).map { SmallRun.picture($0, side: 8) }).flatMap { result in
      result.tokens.indices.enumerated().map { token, code in
        (Array(result.latents[token * dimension..<(token + 1) * dimension]), Int(code))
      }
    }
  }

  private static func rows(_ numbers: [Float]?) throws -> [[Float]] {
    let numbers = try #require(numbers)
    return (0..<numbers.count / dimension).map {
      Array(numbers[$0 * dimension..<($0 + 1) * dimension])
    }
  }

  // MARK: Moving averages

  /// Twenty steps, stopped and resumed after ten.
  @Test func theCodebookIsTheMovingAverageOfItsVectors() throws {
    let small = try SmallRun(images: 4, side: 8)
    let upkeep = CodebookUpkeep(learning: .ema, decay: 0.8, epsilon: 0.01)
    let run = Self.run(small, steps: 20, upkeep)
    let folder = small.folder("run")
    var states: [[String: [Float]]] = []
    for (isResuming, stop) in [(false, 10), (true, nil)] as [(Bool, Int?)] {
      let recorder = Recorder()
      recorder.afterSaving = { states.append(try! Self.state(folder)) }
      try SmallRun.train(
        run, in: folder, isResuming: isResuming, recorder: recorder, stoppingAfter: stop)
    }
    #expect(states.count == 20)
    #expect(states[0]["moment1." + Self.codebook] == nil, "no optimizer has it")

    var uses = [Double](repeating: Self.share, count: Self.codes)
    var sums: [Double] = []
    var used = Set<Int>()
    for step in 0..<20 {
      let batch = try Self.assignments(run, step == 0 ? nil : states[step - 1])
      if step == 0 {
        let parameters = ParameterMemory(
          Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
        parameters.initialize(seed: UInt64(run.training.seed))
        let first = parameters.read(parameter: parameters.layout.index(of: Self.codebook)!)
        sums = first.map { Double($0) * Self.share }
      }
      for code in uses.indices { uses[code] *= 0.8 }
      for place in sums.indices { sums[place] *= 0.8 }
      for (vector, code) in batch {
        used.insert(code)
        uses[code] += 0.2
        for channel in 0..<4 { sums[code * 4 + channel] += 0.2 * Double(vector[channel]) }
      }
      let total = uses.reduce(0, +)
      let found = try #require(states[step]["parameters." + Self.codebook])
      let worst = sums.indices.map { place in
        let smoothed = (uses[place / 4] + 0.01) / (total + 24 * 0.01) * total
        return abs(Double(found[place]) - sums[place] / smoothed)
      }.max()!
      #expect(worst < 1e-5, "step \(step + 1)")
    }
    #expect(used.count > 1 && used.count < Self.codes)
    let kept = try Self.averages(folder)
    #expect(zip(kept, uses + sums).allSatisfy { abs($0 - $1) < 1e-4 })
  }

  @Test func whatTheStateLacksIsTold() throws {
    let small = try SmallRun(images: 4, side: 8)
    let folder = small.folder("run")
    let run = Self.run(small, steps: 6, CodebookUpkeep(learning: .ema))
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
      var run = Self.run(
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
    recorder.afterSaving = { states.append(try! Self.state(watched)) }
    try SmallRun.train(run, in: watched, recorder: recorder)
    var uses = [Double](repeating: Self.share, count: Self.codes)
    var batch: [(vector: [Float], code: Int)] = []
    for step in 0..<5 {
      batch = try Self.assignments(run, states[step])
      for code in uses.indices {
        uses[code] = decay * uses[code] + (1 - decay) * Double(batch.count { $0.code == code })
      }
    }
    let unused = Set(uses.indices.filter { uses[$0] < 0.1 * Self.share })
    #expect(!unused.isEmpty && unused.count < Self.codes)

    let (without, with) = (try Self.state(folders[0]), try Self.state(folders[1]))
    #expect(without.keys == with.keys)
    let ofCodebook = Set(with.keys.filter { $0.hasSuffix("." + Self.codebook) })
    for name in with.keys where !ofCodebook.contains(name) {
      #expect(with[name] == without[name], "\(name)")
    }
    let names = ofCodebook.filter { !$0.hasPrefix("origin.") && !$0.hasPrefix("previous") }
    #expect(names.count == (learning == .ema ? 1 : 5), "\(names)")
    let vectors = Set(batch.map(\.vector))
    for name in names {
      let (before, after) = (try Self.rows(without[name]), try Self.rows(with[name]))
      for code in 0..<Self.codes {
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
    let revived = try unused.map { try Self.rows(with["parameters." + Self.codebook])[$0] }
    #expect(Set(revived).count == unused.count, "no vector twice")
    let kept = try Self.averages(folders[1])
    for code in 0..<Self.codes {
      let expected = unused.contains(code) ? Self.share : uses[code]
      #expect(abs(kept[code] - expected) < 1e-9)
    }
    if learning == .ema {
      for (code, row) in zip(unused, revived) {
        for channel in 0..<4 {
          let sum = kept[Self.codes + code * 4 + channel]
          #expect(abs(sum - Double(row[channel]) * Self.share) < 1e-3)
        }
      }
    }
    let line = Journal.lines(folder: folders[1]).last { $0["kind"] == .string("codes") }
    #expect(line?["revived"] == .integer(unused.count))
    let other = Journal.lines(folder: folders[0]).last { $0["kind"] == .string("codes") }
    #expect(other?["revived"] == nil)
  }

  @Test func anotherSeedReplacesByOtherVectors() throws {
    let small = try SmallRun(images: 4, side: 8)
    let upkeep = CodebookUpkeep(decay: 0.1, reviveEvery: 2, reviveBelow: 0.5)
    var rows: [[Float]?] = []
    for name in ["a", "b"] {
      // A step of no size: the seed of the weights is the same, so that only steps differ.
      let run = Self.run(
        small, steps: name == "a" ? 2 : 4, upkeep, .sgd(SGDConfiguration(learningRate: 0)))
      try SmallRun.train(run, in: small.folder(name))
      rows.append(try Self.state(small.folder(name))["parameters." + Self.codebook])
    }
    #expect(rows[0] != rows[1])
  }

  // MARK: Initialization

  @Test(arguments: [VectorConfiguration.Initialization.kMeans, .skeleton])
  func codebooksOfVectors(_ initialization: VectorConfiguration.Initialization) throws {
    let small = try SmallRun(images: 4, side: 8)
    var run = Self.run(small, steps: 1, CodebookUpkeep(), .sgd(SGDConfiguration(learningRate: 0)))
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 0, momentum: 0))
    var codebooks: [[Float]] = []
    for (start, threads) in [(initialization, 1), (initialization, 2), (.encoder, 1)] {
      run.quantizer = .vq(
        VectorConfiguration(codebookSize: 8, codeDimension: 4, initialization: start))
      let folder = small.folder("\(start) \(threads)")
      try SmallRun.train(run, in: folder, threads: threads)
      codebooks.append(try #require(try Self.state(folder)["parameters." + Self.codebook]))
    }
    #expect(codebooks[0] == codebooks[1], "whatever the threads")
    let vectors = try Self.assignments(run, nil).map(\.vector)
    let (own, sampled) = (try Self.rows(codebooks[0]), try Self.rows(codebooks[2]))
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
      "\"quantizer\": {\"type\": \"vq\", \"initialization\": \"uniform\"}, "
        + "\"training\": {\"deferQuantization\": 5}", ["quantizer.initialization", "k-means"]
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
