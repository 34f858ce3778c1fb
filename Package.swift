// swift-tools-version: 6.1
import PackageDescription

/// Module boundaries: each target lists what it may import, always from a lower row of the map in
/// docs/architecture.md, and `make check` builds with `--explicit-target-dependency-import-check error`.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

/// A library target; `embedding` are files whose bytes become part of the library.
func wall(
  _ name: String, _ dependencies: [Target.Dependency] = [], embedding files: [String] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, resources: files.map { .embedInCode($0) },
    swiftSettings: settings)
}

/// What `make build MPI=1` builds in, for ranks that an MPI starts: nothing needs it else.
let mpi: Set<String> = ["MPI"]

/// The configurations that are built into the commands: links to `configs/`.
let presets = [
  "fsq", "vq", "vq-plain", "scenes-vq", "photos-64", "photos-128", "photos-256", "cifar10-fsq",
  "cifar10-vq", "cifar10-vq-rotation", "kl", "prior", "scenes-prior", "continuous", "solver",
]

/// An executable of one page: flags in, exit code out.
func command(_ name: String) -> Target {
  .executableTarget(
    name: name, dependencies: ["Commands"], swiftSettings: settings)
}

/// A program in `Examples/`, which imports the library alone.
func example(_ name: String) -> Target {
  .executableTarget(
    name: name, dependencies: ["Tessera"], path: "Examples/\(name)", swiftSettings: settings)
}

/// The tests of one target.
func tests(
  _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [],
  resources: [Resource] = []
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, exclude: exclude, resources: resources,
    swiftSettings: settings)
}

let argumentParser: Target.Dependency = .product(
  name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "Tessera",
  platforms: [.macOS(.v15)],
  products: ["train", "encode", "decode", "compare", "scenes", "sweep"].map {
    .executable(name: $0, targets: [$0])
  } + [
    .executable(name: "tessera", targets: ["TesseraProgram"]),
    // The commands as a shared library, of which `make dist` takes one for each level of processor.
    .library(name: "TesseraCommands", type: .dynamic, targets: ["Commands"]),
    // `import Tessera` is the library. The modules behind it come along for whoever builds on them, as
    // the package in Benchmarks/ does.
    .library(
      name: "Tessera",
      targets: [
        "Tessera", "Autodiff", "Layers", "Kernels", "Configuration", "Execution", "Imaging",
        "Tokenizers", "Datasets",
        "SceneRendering", "Evaluation", "Inference", "CPUBackend", "Training", "Reports", "Charts",
        "Commands", "Ranks",
      ]),
  ],
  traits: [
    .trait(name: "MPI", description: "Ranks over MPI: needs Open MPI or MPICH with headers."),
    .default(enabledTraits: []),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // 0  C at the edge
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
    .target(name: "CPNG", linkerSettings: [.linkedLibrary("png"), .linkedLibrary("z")]),
    .target(name: "CJPEG", linkerSettings: [.linkedLibrary("jpeg")]),
    .systemLibrary(name: "CProcessor"),
    .systemLibrary(
      name: "MPILibrary", pkgConfig: Context.environment["MPI_PACKAGE"] ?? "ompi-c",
      providers: [.apt(["libopenmpi-dev"]), .brew(["open-mpi"])]),
    .target(
      name: "CMPI", dependencies: [.target(name: "MPILibrary", condition: .when(traits: mpi))],
      cSettings: [.define("TESSERA_MPI", .when(traits: mpi))]),
    // 0  files as the system gives them
    wall("Files"),
    // 0  numbers as text
    wall("Formatting"),
    // 0  words that graph, kernels, settings and diagnostics share
    wall("Forms"),
    // 1
    wall("Autodiff", ["Forms"]),
    wall("Kernels", ["Forms", "COpenBLAS", "CProcessor"]),
    wall("Safetensors", ["Files"]),
    wall("Randomness"),
    wall("Threads"),
    wall("Ranks", [.target(name: "CMPI", condition: .when(traits: mpi))]),
    wall("Solvers"),
    wall("Configuration", ["Files"]),
    wall(
      "Charts", ["Formatting"],
      embedding: ["Resources/charts.js", "Resources/figures.css", "Resources/marks.css"]),
    // 2
    wall("Layers", ["Autodiff", "Configuration"]),
    wall(
      "Execution",
      ["Autodiff", "Forms", "Randomness", "Threads", "Ranks", "Formatting", "CProcessor"]),
    wall("Imaging", ["CPNG", "CJPEG", "Files"]),
    wall("Evaluation", ["Randomness", "Threads"]),
    wall("EventFiles", ["Files"]),
    wall("LowRank", ["COpenBLAS", "Randomness"]),
    wall("TorchFiles", ["Safetensors", "Files"]),
    // 3
    wall("Codebooks", ["LowRank", "Randomness"]),
    wall("Tokenizers", ["Layers", "Autodiff", "Forms", "Configuration", "Files"]),
    wall("Priors", ["Layers", "Autodiff", "Configuration", "Solvers"]),
    wall("Datasets", ["Imaging", "Randomness", "Configuration", "Files", "Threads"]),
    wall("SceneRendering", ["Imaging", "Randomness", "Threads"]),
    wall("Diagnostics", ["Evaluation", "LowRank", "Formatting", "Forms"]),
    wall("TokenFiles", ["Safetensors", "Files"]),
    // 4
    wall(
      "Inference",
      [
        "Tokenizers", "Priors", "Solvers", "Execution", "Autodiff", "Imaging", "Randomness",
        "Threads",
      ]),
    wall(
      "Reports",
      [
        "Charts", "Diagnostics", "Evaluation", "Configuration", "Files", "Formatting", "Tokenizers",
      ],
      embedding: ["Resources/page.css", "Resources/page.js"]),
    wall("CPUBackend", ["Execution", "Autodiff", "Forms", "Kernels"]),
    wall(
      "WeightExchange",
      [
        "Tokenizers", "Layers", "Autodiff", "Forms", "TorchFiles", "Safetensors", "Configuration",
        "Files",
      ]),
    // 5
    wall(
      "Training",
      [
        "Inference", "Tokenizers", "Priors", "Solvers", "Datasets", "Diagnostics", "TokenFiles",
        "Execution", "Ranks", "Imaging", "Evaluation", "EventFiles", "Codebooks",
        "Autodiff", "Safetensors", "Files", "Randomness", "Configuration",
      ]),
    wall(
      "Compression",
      [
        "Inference", "Tokenizers", "Priors", "Layers", "LowRank", "Codebooks", "Execution",
        "Imaging", "Evaluation", "Autodiff", "Randomness",
      ]),
    // 6
    wall(
      "Commands",
      [
        "Training", "Compression", "WeightExchange", "TorchFiles", "Inference", "Reports",
        "CPUBackend", "Tokenizers", "Priors", "Solvers", "Datasets", "SceneRendering",
        "Diagnostics", "TokenFiles", "Execution", "Imaging", "Evaluation", "Autodiff",
        "Safetensors", "Files", "Randomness", "Configuration", "Threads", "Ranks", "Formatting",
        argumentParser,
      ],
      embedding: presets.map { "Presets/\($0).json" }),
    wall(
      "Tessera",
      [
        "Training", "Inference", "CPUBackend", "Tokenizers", "Priors", "Solvers", "Datasets",
        "TokenFiles", "Execution", "Layers", "Imaging", "Evaluation", "Diagnostics", "Autodiff",
        "Safetensors",
        "Files",
        "Configuration",
      ]),
    // 7
    command("train"), command("encode"), command("decode"), command("compare"),
    command("scenes"), command("sweep"), command("TesseraProgram"),
    // Programs of a page that use the library as a stranger does.
    example("EncodeImage"), example("TrainOnFolder"), example("OwnModel"), example("Classifier"),

    .target(
      name: "TestSupport",
      dependencies: [
        "Autodiff", "Execution", "Ranks", "CPUBackend", "Safetensors", "Tokenizers",
      ],
      path: "Tests/TestSupport", swiftSettings: settings),
    .target(
      name: "FileTestSupport", dependencies: ["Files"], path: "Tests/FileTestSupport",
      swiftSettings: settings),
    // Counts calls of malloc in whatever executable it is linked into.
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    tests("KernelsTests", ["Kernels", "Forms"]),
    tests(
      "AutodiffTests", ["Autodiff", "Execution", "CPUBackend", "Tokenizers", "TestSupport"]),
    tests("LayersTests", ["Layers", "Autodiff", "Execution", "TestSupport"]),
    tests(
      "ExecutionTests",
      [
        "Execution", "Autodiff", "Tokenizers", "CPUBackend", "TestSupport", "FileTestSupport",
        "AllocationCounter",
      ]),
    tests(
      "TokenizersTests",
      ["Tokenizers", "Autodiff", "Configuration", "Execution", "CPUBackend", "TestSupport"]),
    tests(
      "InferenceTests",
      [
        "Inference", "Tokenizers", "Priors", "Solvers", "Execution", "CPUBackend", "Autodiff",
        "Imaging", "TestSupport", "AllocationCounter",
      ]),
    tests(
      "TrainingTests",
      [
        "Training", "Tokenizers", "Priors", "Solvers", "Datasets", "Imaging", "Inference",
        "Execution", "Ranks", "CPUBackend", "Autodiff", "Evaluation", "Diagnostics",
        "Safetensors", "Configuration",
        "TokenFiles", "Codebooks", "Randomness", "Files", "TestSupport", "FileTestSupport",
      ]),
    tests("PriorsTests", ["Priors", "Autodiff", "Execution", "TestSupport"]),
    tests("SolversTests", ["Solvers"]),
    tests("TorchFilesTests", ["TorchFiles", "Safetensors", "Files", "FileTestSupport"]),
    tests(
      "WeightExchangeTests",
      [
        "WeightExchange", "Tokenizers", "Autodiff", "Execution", "CPUBackend", "Safetensors",
        "Layers", "Files", "TestSupport", "FileTestSupport",
      ]),
    tests("FormattingTests", ["Formatting"]),
    tests("FilesTests", ["Files", "FileTestSupport"]),
    tests("SafetensorsTests", ["Safetensors", "Files", "FileTestSupport"]),
    tests("RandomnessTests", ["Randomness"]),
    tests("ThreadsTests", ["Threads"]),
    tests("RanksTests", ["Ranks", "TestSupport"]),
    tests(
      "ConfigurationTests",
      ["Configuration", "Tokenizers", "Datasets", "Training", "Autodiff", "FileTestSupport"]),
    tests("ImagingTests", ["Imaging", "FileTestSupport"]),
    tests("EventFilesTests", ["EventFiles", "Files", "FileTestSupport"]),
    tests("CodebooksTests", ["Codebooks", "LowRank", "Randomness"]),
    tests("LowRankTests", ["LowRank", "Randomness"]),
    tests(
      "CompressionTests",
      [
        "Compression", "LowRank", "Tokenizers", "Layers", "Inference", "Execution", "CPUBackend",
        "Autodiff", "Configuration", "Imaging", "TestSupport",
      ]),
    tests(
      "EvaluationTests", ["Evaluation", "Randomness"], exclude: ["make_goldens.py"]),
    tests(
      "DatasetsTests",
      ["Datasets", "Imaging", "Randomness", "Configuration", "Files", "FileTestSupport"]),
    tests("SceneRenderingTests", ["SceneRendering", "Imaging", "Randomness", "FileTestSupport"]),
    tests("TokenFilesTests", ["TokenFiles", "Safetensors", "Files", "FileTestSupport"]),
    tests("DiagnosticsTests", ["Diagnostics", "Evaluation"]),
    tests("ChartsTests", ["Charts"]),
    tests(
      "ReportsTests",
      [
        "Reports", "Tokenizers", "Charts", "Diagnostics", "Evaluation", "Configuration",
        "FileTestSupport",
      ]),
    tests("TesseraTests", ["Tessera", "SceneRendering", "FileTestSupport"]),
    tests(
      "CommandTests",
      [
        "Commands", "Training", "Inference", "CPUBackend", "Execution", "Tokenizers", "Datasets",
        "SceneRendering", "TokenFiles", "Imaging", "Evaluation", "Safetensors", "Files",
        "Randomness", "Configuration", "FileTestSupport", "TestSupport",
      ]),
  ],
  swiftLanguageModes: [.v6]
)
