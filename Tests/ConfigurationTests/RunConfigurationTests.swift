import Configuration
import Datasets
import Testing
import Tokenizers
import Training

/// A run with nothing said that has a standard.
private let smallest = #"{"data": {"train": "d"}, "quantizer": {"type": "fsq"}}"#

@Suite struct RunConfigurationTests {
  private func problems(_ overrides: [String]) -> [ConfigurationProblem] {
    do {
      _ = try RunConfiguration.parse(smallest, overrides: overrides)
      return []
    } catch {
      return error.problems
    }
  }

  @Test func standardsAreWrittenOnce() throws {
    let run = try RunConfiguration.parse(smallest, overrides: ["training.lanes=2"])
    var expected = RunConfiguration(data: DataConfiguration(train: "d"))
    expected.training.lanes = 2
    expected.training.microBatch = 8
    #expect(run == expected)
    #expect(run.tokenizer == TokenizerConfiguration())
    #expect(run.model.downsampling == 2)
    #expect(run.quantizer.codebookSize == 1000)
    #expect(run.quantizer.codeDimension == 4)
  }

  @Test func aResolvedRunReadsBackEqual() throws {
    let run = try RunConfiguration.parse(
      smallest,
      overrides: [
        "description=Größe 図", #"quantizer={"type": "vq", "gradient": "rotation"}"#,
        #"training.optimizer={"type": "sgd", "nesterov": true}"#, "data.resizeTo=40",
        #"training.schedule={"type": "cosine", "warmup": 3}"#, "training.batchSize=20",
        "training.lanes=2",
      ])
    #expect(run.training.microBatch == 5)
    #expect(try RunConfiguration.parse(run.resolved) == run)
    #expect(try TokenizerConfiguration.parse(run.tokenizer.resolved) == run.tokenizer)
    // A value made in code has its open choices made.
    var made = RunConfiguration(data: DataConfiguration(train: "d"))
    made.training.lanes = 2
    #expect(made.training.microBatch == 0)
    #expect(try RunConfiguration.parse(made.resolved).training.microBatch == 8)
    #expect(made.resolved == (try RunConfiguration.parse(made.resolved)).resolved)
  }

  @Test(arguments: [
    ("dtaa.train=x", "dtaa", "Did you mean \"data\"?"),
    ("data.trian=x", "data.trian", "Did you mean \"train\"?"),
    ("model.chanels=[32]", "model.chanels", "Did you mean \"channels\"?"),
    ("quantizer.level=[8]", "quantizer.level", "Did you mean \"levels\"?"),
    ("training.stesp=5", "training.stesp", "Did you mean \"steps\"?"),
    ("training.batch_size=5", "training.batch_size", "Did you mean \"batchSize\"?"),
    ("training.learningRate=1", "training.learningRate", "\"training.optimizer.learningRate\""),
    (
      "training.optimizer.learningrate=1", "training.optimizer.learningrate",
      "Did you mean \"learningRate\"?"
    ),
    ("training.schedule.warm=1", "training.schedule.warm", "Did you mean \"warmup\"?"),
    ("training.schedule.finalShare=0", "training.schedule.finalShare", "\"linear\" or \"cosine\""),
    ("monitor.sample=1", "monitor.sample", "Did you mean \"samples\"?"),
    ("seed=1", "seed", "Did you mean \"training.seed\"?"),
  ])
  func misspeltKeysAreFoundAtEveryDepth(override: String, key: String, remedy: String) {
    let problems = problems([override])
    #expect(problems.count == 1)
    #expect(problems.first?.key == key)
    #expect(problems.first?.message == "unknown key")
    #expect(problems.first?.remedy.contains(remedy) == true)
  }

  @Test(arguments: [
    (["data.train="], "data.train", "not empty"),
    (["data.imageSize=33"], "data.imageSize", "The nearest are 32 and 34."),
    (
      ["data.imageSize=3", "model.channels=[32, 32, 32]"], "data.imageSize",
      "The nearest are 4 and 8."
    ),
    (["data.resizeTo=31"], "data.resizeTo", "at least imageSize = 32"),
    (["data.resizeTo=40", "data.resize=none"], "data.resizeTo", "scales nothing"),
    (["data.validationShare=1"], "data.validationShare", "both excluded"),
    (["data.crop=center"], "data.crop", "Did you mean \"centre\"?"),
    (["model.channels=[]"], "model.channels", "a list of 1 to 12 integers"),
    (["model.channels=[32, 0]"], "model.channels[1]", "found 0"),
    (["model.channels=[32, 60]"], "model.channels", "The nearest are [32, 64]."),
    (["model.channels=[1]"], "model.channels", "The nearest are [32]."),
    (["model.normGroups=0"], "model.normGroups", "from 1"),
    (["model.attentionLevels=[2]"], "model.attentionLevels", "levels from 0 to 1"),
    (["model.attentionLevels=[1, 1]"], "model.attentionLevels", "different levels"),
    (["quantizer.levels=[8, 1]"], "quantizer.levels[1]", "carries no information"),
    (["quantizer.levels=[]"], "quantizer.levels", "1 to 24"),
    (["quantizer.levels=[4097, 4096]"], "quantizer.levels", "at most 16777216"),
    (
      ["quantizer.levels=[4611686018427387904, 4611686018427387904]"], "quantizer.levels",
      "at most 16777216"
    ),
    ([#"quantizer={"type": "vq", "codebookSize": 0}"#], "quantizer.codebookSize", "found 0"),
    ([#"quantizer={"type": "vq", "codeDimension": 0}"#], "quantizer.codeDimension", "found 0"),
    (
      [#"quantizer={"type": "vq", "codeDimension": 1, "gradient": "diveq"}"#],
      "quantizer.gradient", "no directions"
    ),
    (
      [#"quantizer={"type": "cosine-vq", "codeDimension": 1}"#], "quantizer.codeDimension",
      "two directions"
    ),
    (
      [#"quantizer={"type": "cosine-vq", "initialization": "uniform"}"#],
      "quantizer.initialization", "\"encoder\" or \"normal\""
    ),
    (
      [#"quantizer={"type": "simvq", "codebookWeight": 0}"#], "quantizer.codebookWeight",
      "nothing else trains the map"
    ),
    (
      [#"quantizer={"type": "simvq", "initialization": "encoder"}"#], "quantizer.initialization",
      "It belongs to type \"vq\" or \"cosine-vq\""
    ),
    ([#"quantizer={"type": "bsq", "bits": 1}"#], "quantizer.bits", "at least 2"),
    ([#"quantizer={"type": "lfq", "bits": 25}"#], "quantizer.bits", "from 1 to 24"),
    ([#"quantizer={"type": "lfq", "temperature": 0}"#], "quantizer.temperature", "above 0"),
    (
      [#"quantizer={"type": "bsq", "entropyGroup": 18}"#], "quantizer.entropyGroup", "from 1 to 12"
    ),
    (
      [#"quantizer={"type": "product-vq", "codeDimension": 8, "groups": 3}"#],
      "quantizer.codeDimension", "a multiple of groups = 3, found 8. The nearest is 9."
    ),
    (
      [#"quantizer={"type": "product-vq", "groups": 1}"#], "quantizer.groups",
      "One group is type \"vq\"."
    ),
    ([#"quantizer={"type": "residual-vq", "depth": 33}"#], "quantizer.depth", "from 2 to 32"),
    ([#"quantizer={"type": "residual-fsq", "depth": 1}"#], "quantizer.depth", "\"fsq\""),
    ([#"quantizer={"type": "vqq"}"#], "quantizer.type", "Did you mean \"vq\"?"),
    (["quantizer={}"], "quantizer.type", "missing: expected \"fsq\" or \"vq\" or"),
    (["training.steps=0"], "training.steps", "from 1"),
    (["training.steps=9223372036854775807"], "training.steps", "to 1000000000000"),
    (
      ["training.batchSize=65", "training.lanes=2"], "training.batchSize",
      "The nearest are 64 and 66."
    ),
    (
      ["training.batchSize=1", "training.lanes=2"], "training.batchSize", "The nearest are 2 and 4."
    ),
    (
      ["training.batchSize=36", "training.microBatch=8"], "training.batchSize",
      "a multiple of microBatch = 8, found 36. The nearest are 32 and 40."
    ),
    (
      ["training.batchSize=40", "training.microBatch=8", "training.lanes=2"],
      "training.batchSize",
      "lanes * microBatch = 2 * 8 = 16, found 40. The nearest are 32 and 48."
    ),
    (["training.optimizer.beta2=1"], "training.optimizer.beta2", "below 1.0"),
    (["training.optimizer.learningRate=0"], "training.optimizer.learningRate", "above 0.0"),
    (["training.optimizer.beta2=0.99999999"], "training.optimizer.beta2", "rounds it to 1.0"),
    (["training.optimizer.beta1=0.999999999"], "training.optimizer.beta1", "0.99999994"),
    (["training.optimizer.epsilon=1e-46"], "training.optimizer.epsilon", "nearer to 0 than 1.17"),
    (["training.optimizer.learningRate=1e39"], "training.optimizer.learningRate", "at most 3.40"),
    (["training.optimizer.weightDecay=1e300"], "training.optimizer.weightDecay", "at most 3.40"),
    (["training.gradientClip=1e-50"], "training.gradientClip", "nearer to 0"),
    (
      [#"training.optimizer={"type": "sgd", "momentum": 0.99999999}"#],
      "training.optimizer.momentum", "rounds it to 1.0"
    ),
    (
      [#"quantizer={"type": "vq", "commitmentWeight": 1e39}"#], "quantizer.commitmentWeight",
      "at most 3.40"
    ),
    (
      [#"quantizer={"type": "lfq", "temperature": 1e-40}"#], "quantizer.temperature", "nearer to 0"
    ),
    (
      [#"training.optimizer={"type": "sgd", "momentum": 0, "nesterov": true}"#],
      "training.optimizer.nesterov", "Set momentum above 0."
    ),
    (["monitor.logEvery=0"], "monitor.logEvery", "at least 1"),
    ([#"training.freeze=["encodr"]"#], "training.freeze[0]", "Did you mean \"encoder\"?"),
    (["training.freeze=[true]"], "training.freeze[0]", "found true"),
    (["training.freeze=decoder"], "training.freeze", "Write [\"decoder\"]."),
    (
      [#"training.freeze=["decoder", "quantizer", "encoder"]"#], "training.freeze",
      "nothing would be trained, found [\"encoder\", \"quantizer\", \"decoder\"]"
    ),
    ([#"training.freeze=["encoder", "decoder"]"#], "training.freeze", "type \"fsq\""),
    (
      [
        #"training.freeze=["encoder", "decoder"]"#,
        #"quantizer={"type": "vq", "codebookLearning": "ema"}"#,
      ], "training.freeze", "type \"vq\""
    ),
    (
      [#"training.freeze=["quantizer"]"#, "training.deferQuantization=5"],
      "training.deferQuantization", "a frozen quantizer"
    ),
    (
      [
        #"training.freeze=["quantizer"]"#, #"quantizer={"type": "vq"}"#,
        "training.averaging.codebook=reestimated",
      ], "training.averaging.codebook", "a frozen quantizer"
    ),
  ])
  func wrongValuesAreFoundBeforeStepOne(overrides: [String], key: String, text: String) {
    let problems = problems(overrides)
    #expect(problems.count == 1)
    #expect(problems.first?.key == key)
    #expect(problems.first?.description.contains(text) == true, "\(problems)")
  }

  @Test(arguments: [
    [#"training.freeze=["encoder", "decoder"]"#, #"quantizer={"type": "vq"}"#],
    [#"training.freeze=["encoder", "decoder"]"#, #"quantizer={"type": "simvq"}"#],
    // What a checkpoint's configuration asks of its codebooks need not be taken back.
    [
      #"training.freeze=["encoder", "quantizer"]"#,
      #"quantizer={"type": "vq", "codebookLearning": "ema", "reviveEvery": 5}"#,
    ],
    [#"training.freeze=["encoder"]"#, "training.deferQuantization=5"],
  ])
  func partsThatLeaveSomethingToTrainCanBeFrozen(_ overrides: [String]) {
    #expect(problems(overrides) == [])
  }

  @Test func aMissingQuantizerAndFolderAreNamed() {
    let error = #expect(throws: ConfigurationError.self) { try RunConfiguration.parse("{}") }
    #expect(error?.problems.map(\.key) == ["data.train", "quantizer.type"])
  }

  @Test func valuesOutOfRangeInCodeAreReportedWithoutACrash() {
    var run = RunConfiguration(data: DataConfiguration(train: "d"))
    run.training.lanes = -1
    run.training.microBatch = .max
    run.model.normGroups = 0
    run.model.channels = []
    run.quantizer = .fsq(FiniteScalarConfiguration(levels: [.max, .max]))
    let error = #expect(throws: ConfigurationError.self) { try run.validate() }
    #expect(
      error?.problems.map(\.key) == [
        "model.channels", "model.normGroups", "quantizer.levels", "training.lanes",
        "training.microBatch",
      ])
  }

  @Test(arguments: [
    [64, 2, 0, 32, 8, 4], [64, 2, 4, 256, 4, 8], [6, 2, 0, 32, 3, 1], [22, 2, 0, 32, 1, 11],
    [60, 2, 0, 32, 6, 5], [1, 1, 0, 32, 1, 1], [16, 4, 0, 32, 4, 1], [16, 2, 0, 64, 4, 2],
    [12, 2, 0, 64, 3, 2], [16, 2, 0, 128, 1, 8], [16, 2, 0, .max, 1, 8], [16, 2, 0, -1, 8, 1],
  ])
  func lanesShareABatch(_ n: [Int]) {
    let (batch, lanes, micro, side, chosen, replays) = (n[0], n[1], n[2], n[3], n[4], n[5])
    let training = TrainingConfiguration(batchSize: batch, lanes: lanes, microBatch: micro)
    #expect(training.imagesPerReplay(imageSize: side) == chosen)
    #expect(training.replaysPerLane(imageSize: side) == replays)
    #expect(lanes * chosen * replays == batch)
  }

  @Test func quantizersKnowTheirSize() {
    let fsq = QuantizerConfiguration.fsq(FiniteScalarConfiguration(levels: [7, 5, 5, 5, 5]))
    #expect(fsq.codebookSize == 4375)
    #expect(fsq.codeDimension == 5)
    let vq = QuantizerConfiguration.vq(VectorConfiguration(codebookSize: 512, codeDimension: 6))
    #expect(vq.codebookSize == 512)
    #expect(vq.codeDimension == 6)
    let bsq = QuantizerConfiguration.bsq(BinarySphericalConfiguration(bits: 18))
    #expect(bsq.codebookSize == 262_144)
    #expect(bsq.codeDimension == 18 && bsq.levels == Array(repeating: 2, count: 18))
  }

  @Test func ofVeryManyProblemsSomeAreListedAndTheOthersCounted() {
    let keys = (0..<100_000).map { "\"key\($0)\": 1" }.joined(separator: ",\n")
    let text = #"{"data": {"train": "d"}, "quantizer": {"type": "fsq"}, "# + keys + "}"
    let error = #expect(throws: ConfigurationError.self) { try RunConfiguration.parse(text) }
    #expect(error?.problems.count == 50)
    #expect(error?.omitted == 99_950)
    #expect(error?.problems[2].key == "key2" && error?.problems[2].place == "line 3")
    #expect(error?.description.contains(": 100000 problems\n") == true)
    #expect(error?.description.hasSuffix("and 99950 more.") == true)
  }

  @Test func aLongKeyIsShortenedInItsMessage() {
    let key = String(repeating: "k", count: 200_000)
    let list = (0..<20_000).map(String.init).joined(separator: ",")
    let text =
      #"{"data": {"train": "d"}, "quantizer": {"type": "fsq"}, "\#(key)": [\#(list)]}"#
    let error = #expect(throws: ConfigurationError.self) { try RunConfiguration.parse(text) }
    #expect(error?.problems.count == 1)
    #expect(error.map { $0.description.utf8.count < 1000 } == true)
    #expect(error?.problems.first?.place == "line 1")
  }
}
