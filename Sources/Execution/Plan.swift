import Autodiff

/// A straight-line program: what to execute, in order, and where everything lies.
///
/// A plan is immutable. Many lanes replay it at once, each in its own arena.
public struct Plan: Sendable {
  /// Replayed for each micro-batch.
  public let instructions: [Instruction]
  /// Depends only on parameters: executed once per update, for all lanes.
  public let preparation: [Instruction]
  /// Where the parameters lie, and their gradients.
  public let parameters: ParameterLayout
  /// The values that are written before each replay.
  public let inputs: [String: Operand]
  /// The values that can be read after a replay.
  public let outputs: [String: Operand]
  /// The values that are summed over replays and lanes, in order of name.
  public let statistics: [(name: String, operand: Operand)]
  /// The words of a lane's arena.
  public let arenaWords: Int
  /// The words of the memory that lanes share, besides the parameters.
  public let sharedWords: Int
  /// The words that the arena would take if nothing shared memory.
  public let wordsWithoutSharing: Int
  /// Whether a replay adds to gradient memory.
  public let hasGradients: Bool
  /// Whether a replay finds in its arena what the one before left there.
  public let hasStates: Bool

  /// Plans a graph.
  ///
  /// - Parameters:
  ///   - graph: the record; what none of the results need is omitted.
  ///   - outputs: the values to read after a replay, by name.
  ///   - statistics: the values to sum over replays and lanes, by name.
  ///   - workspace: the scratch words that an operation needs on the backend.
  ///   - preparedForm: what is computed once an update in place of an input of an instruction, if anything.
  public init(
    _ graph: Graph, outputs: [String: Tensor] = [:], statistics: [String: Tensor] = [:],
    workspace: @escaping (any Operator, _ inputs: [Shape], _ outputs: [Shape]) -> Int,
    preparedForm: (Instruction) -> PreparedForm? = { _ in nil }
  ) {
    let results = Array(outputs.values) + Array(statistics.values)
    var planner = Planner(graph, keeping: results.map(\.id), workspace: workspace)
    planner.run()
    var forms = PreparedForms(
      preparation: planner.preparation, sharedWords: planner.sharedWords)
    instructions = planner.instructions.map { forms.prepared($0, preparedForm($0)) }
    preparation = forms.preparation
    sharedWords = forms.sharedWords
    parameters = planner.parameters
    arenaWords = planner.arenaWords
    wordsWithoutSharing = planner.wordsWithoutSharing
    hasGradients = planner.hasGradients
    hasStates = planner.hasStates
    var inputs: [String: Operand] = [:]
    for (index, value) in graph.values.enumerated() {
      if case .input(let name) = value.role { inputs[name] = planner.operand(ValueID(index)) }
    }
    self.inputs = inputs
    self.outputs = outputs.mapValues { planner.operand($0.id)! }
    self.statistics = statistics.sorted { $0.key < $1.key }
      .map { (name: $0.key, operand: planner.operand($0.value.id)!) }
  }
}

extension Plan {
  /// Plans a graph for a device, which tells what scratch memory its kernels need.
  ///
  /// - Parameter keepsForms: whether parameters stay as they are for many replays, so that the device may keep
  ///   them in other forms too.
  public init<B: Backend>(
    _ graph: Graph, outputs: [String: Tensor] = [:], statistics: [String: Tensor] = [:],
    on backend: B, keepsForms: Bool = false
  ) {
    self.init(graph, outputs: outputs, statistics: statistics) {
      backend.workspace(for: $0, inputs: $1, outputs: $2)
    } preparedForm: {
      keepsForms ? backend.preparedForm(of: $0) : nil
    }
  }
}

// MARK: - Prepared forms

/// An input of an operation in the form in which a device reads it fastest, computed once an update.
public struct PreparedForm {
  /// Which input.
  public let input: Int
  /// What takes it to its prepared form.
  public let preparation: any Operator
  /// The words of the prepared form.
  public let words: Int
  /// What is executed with the prepared form in the input's place.
  public let operation: any Operator

  /// Names every part.
  public init(
    input: Int, preparation: any Operator, words: Int, operation: any Operator
  ) {
    (self.input, self.preparation) = (input, preparation)
    (self.words, self.operation) = (words, operation)
  }
}

/// Adds prepared forms to what is computed once an update.
private struct PreparedForms {
  var preparation: [Instruction]
  var sharedWords: Int
  private var places: [Key: Operand] = [:]

  private struct Key: Hashable {
    let input: Operand
    let preparation: AnyHashable
  }

  init(preparation: [Instruction], sharedWords: Int) {
    (self.preparation, self.sharedWords) = (preparation, sharedWords)
  }

  /// An instruction that reads a prepared form, if there is one of what depends on parameters alone.
  mutating func prepared(_ instruction: Instruction, _ form: PreparedForm?) -> Instruction {
    guard let form else { return instruction }
    let plain = instruction.inputs[form.input]
    guard plain.region == .parameters || plain.region == .shared else { return instruction }
    let key = Key(input: plain, preparation: AnyHashable(form.preparation))
    let place =
      places[key]
      ?? Operand(region: .shared, offset: sharedWords, shape: [form.words], type: .float32)
    if places[key] == nil {
      places[key] = place
      sharedWords = aligned(sharedWords + form.words)
      preparation.append(
        Instruction(
          operation: form.preparation, inputs: [plain], outputs: [place], workspace: nil,
          layer: instruction.layer))
    }
    var inputs = instruction.inputs
    inputs[form.input] = place
    return Instruction(
      operation: form.operation, inputs: inputs, outputs: instruction.outputs,
      workspace: instruction.workspace, layer: instruction.layer)
  }
}

extension Plan: CustomStringConvertible {
  /// A table of instructions, one a line, and the totals of memory.
  public var description: String {
    var lines: [String] = []
    func table(_ title: String, _ instructions: [Instruction]) {
      guard !instructions.isEmpty else { return }
      lines.append(title)
      lines.append("      offset       MB  operation, shape, layer")
      for instruction in instructions {
        for operand in instruction.outputs {
          let place = operand.region == .gradients ? "gradient" : String(operand.offset)
          lines.append(
            pad(place, 12) + pad(megabytes(operand.shape.count), 9) + "  "
              + instruction.operation.name + " \(operand.shape)"
              + (instruction.layer.isEmpty ? "" : "  " + instruction.layer))
        }
      }
    }
    table("Once an update, shared by all lanes:", preparation)
    table("For each micro-batch, in each lane:", instructions)
    lines.append(
      "\(instructions.count) instructions; arena \(megabytes(arenaWords)) MB a lane "
        + "(\(megabytes(wordsWithoutSharing)) MB if nothing shared memory); "
        + "\(parameters.count) parameters, \(megabytes(parameters.words)) MB; "
        + "shared \(megabytes(sharedWords)) MB")
    return lines.joined(separator: "\n")
  }
}

/// A number of words as megabytes with two decimals.
private func megabytes(_ words: Int) -> String {
  let hundredths = (words * 4 + 5000) / 10000
  let fraction = hundredths % 100
  return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
}

private func pad(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

// MARK: - Instructions

/// One step of a plan: an operation, and where its inputs and outputs lie.
public struct Instruction: Sendable {
  /// The operation.
  public let operation: any Operator
  /// Where the inputs lie.
  public let inputs: [Operand]
  /// Where the outputs lie; those in gradient memory are added to what is there.
  public let outputs: [Operand]
  /// Scratch words for the kernel, if it asked for any.
  public let workspace: Operand?
  /// The path of the layer that the operation belongs to.
  public let layer: String
}

/// A place in memory, with the shape of what lies there.
public struct Operand: Sendable, Hashable {
  /// Which memory.
  public let region: Region
  /// The first word, 4 bytes each.
  public let offset: Int
  /// The extents.
  public let shape: Shape
  /// The element type.
  public let type: ElementType
}

/// The memories that a replay touches.
public enum Region: String, Sendable, Hashable, CaseIterable {
  /// The parameters: shared by all lanes, read only during a replay.
  case parameters
  /// Depends only on parameters: computed once per update, shared by all lanes.
  case shared
  /// The lane's own values.
  case arena
  /// The lane's own sums of parameter gradients.
  case gradients
}

/// Minimum cost of an instruction: arithmetic and memory traffic.
///
/// Over the seconds it took, these are the rates to hold against the machine's: an instruction
/// is done well where one of the two comes near its limit.
public struct Cost: Sendable, Hashable {
  /// Floating-point operations of the direct algorithm, two a multiply-add; 0 where the work is a
  /// pass over memory.
  ///
  /// A kernel that gets by with fewer shows a rate above what the processor can do: an effective
  /// one.
  public var operations: Int
  /// Bytes of the inputs that are read and of the outputs that are written, each once.
  ///
  /// What is added to is read and written. Scratch memory does not count.
  public var bytes: Int

  /// A cost in floating-point operations and bytes.
  public init(operations: Int = 0, bytes: Int = 0) {
    self.operations = operations
    self.bytes = bytes
  }

  /// Both costs together.
  public static func + (a: Cost, b: Cost) -> Cost {
    Cost(operations: a.operations + b.operations, bytes: a.bytes + b.bytes)
  }

  /// A cost so many times over.
  public static func * (cost: Cost, times: Int) -> Cost {
    Cost(operations: cost.operations * times, bytes: cost.bytes * times)
  }
}

extension Instruction {
  /// Minimum cost of executing this once.
  public var cost: Cost {
    let multiplyAdds = operation.multiplyAdds(
      inputs: inputs.map(\.shape), outputs: outputs.map(\.shape))
    let read = inputs.reduce(0) { $0 + $1.shape.count }
    let written = outputs.reduce(0) { $0 + $1.shape.count * ($1.region == .gradients ? 2 : 1) }
    return Cost(
      operations: 2 * multiplyAdds, bytes: (read + written) * MemoryLayout<Float>.stride)
  }

  /// The operation's name, with what tells its kernels apart: the extents and stride of a
  /// filter, the activation in the same pass.
  public var kind: String {
    operation.name + operation.variant(inputs: inputs.map(\.shape))
  }
}
